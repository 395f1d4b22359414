"""Rows of an eval as they lie in a file: a JSON object a line, with an `item` and perhaps a `sample`.

The first fault is told with its line. Takes the memory of one line. Does not know what a row is graded for.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from pydantic_core import from_json

from nightschool.errors import InvalidFile

MAX_LINE_BYTES: Final = 1_000_000
BOM: Final = b"\xef\xbb\xbf"
KEYS: Final = frozenset({"item", "sample"})


class EvalRow(NamedTuple):
    item: dict[str, Any]
    sample: dict[str, Any] | None = None


def check_rows(file: BinaryIO, *, subject: str) -> int:
    """How many there are. Raises InvalidFile, also where there is none."""
    return sum(1 for _ in read_rows(file, subject=subject))


def read_rows(file: BinaryIO, *, subject: str) -> Iterator[EvalRow]:
    """Raises InvalidFile where a line is none, or no line is there."""
    number = rows = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise _refuse(f"is longer than {MAX_LINE_BYTES} bytes", subject=f"{subject}, line {number}")
        text = raw.removeprefix(BOM) if number == 1 else raw
        if text.strip():
            rows += 1
            yield _read(text, subject=f"{subject}, line {number}")
    if not rows:
        raise _refuse("holds no row", subject=subject)


def row_of(value: object) -> EvalRow:
    """Raises ValueError where it is no row."""
    match value:
        case {"item": dict() as item, **rest} if rest.keys() <= KEYS:
            sample = rest.get("sample")
            if sample is not None and not isinstance(sample, dict):
                raise ValueError("holds a sample that is no object")
            return EvalRow(item, sample)
        case {"item": dict(), **rest}:
            raise ValueError(f"holds {min(map(str, rest.keys() - KEYS))[:60]!r} beside item and sample")
        case {"item": _}:
            raise ValueError("holds an item that is no object")
        case {}:
            raise ValueError("holds no item")
    raise ValueError("is no JSON object")


def _read(text: bytes, *, subject: str) -> EvalRow:
    try:
        text.decode()
        value = from_json(text, allow_inf_nan=False)
        # A number beyond all bounds is read as infinite, and could not be told.
        json.dumps(value, allow_nan=False)
    except UnicodeDecodeError as error:
        raise _refuse(f"is not UTF-8 (byte {error.start + 1})", subject=subject) from error
    except (ValueError, RecursionError) as error:
        raise _refuse(f"is not JSON ({error})", subject=subject) from error
    try:
        return row_of(value)
    except ValueError as error:
        raise _refuse(str(error), subject=subject) from error


def _refuse(problem: str, *, subject: str) -> InvalidFile:
    return InvalidFile(problem, subject=subject, remedy="docs/evals.md says how a line looks.", param="file")
