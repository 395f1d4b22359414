"""Answers and scores that are kept from night to night: a line of JSON for each, appended as it comes.

A torn last line, as a kill leaves it, is cut off; a line that is none is dropped and what it held asked again, since no
night may fail over what could be had anew. Trusts its caller: a folder is of one bot and one engine set-up. Does not
know what is kept.
"""

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from nightschool.files import write_atomic

logger = logging.getLogger(__name__)

T = TypeVar("T")
SUFFIX: Final = ".jsonl"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def kept_file(folder: Path, contestant_hash: str, *, what: str = "") -> Path:
    """Where a contestant's words are kept, by the hash of its weights; `what` they are, but for answers to rows."""
    return folder / f"{digest(contestant_hash)[:16]}{what and f'.{what}'}{SUFFIX}"


class Kept(Generic[T]):
    """What one contestant said, by key. `kind` is the dataclass that is kept."""

    def __init__(self, file: Path, kind: type[T]) -> None:
        self._file = file
        self._adapter = TypeAdapter(kind)
        self._values: dict[str, T] = {}
        lines = _read_whole_lines(file)
        for line in lines:
            try:
                self._values[line["key"]] = self._adapter.validate_python(line["value"])
            except (ValidationError, LookupError, TypeError):
                logger.warning("file=%s holds a line that is not one of ours; what it held is asked again", file)
        if lines:
            # Retention goes by the last use.
            os.utime(file)

    def find(self, key: str) -> T | None:
        return self._values.get(key)

    def keep(self, key: str, value: T, *, row_id: str) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        line = {"key": key, "row_id": row_id, "value": self._adapter.dump_python(value)}
        # In one write, so that two who append do not mix their lines.
        with self._file.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")
        self._values[key] = value


def tidy_kept(folder: Path, *, row_ids: Collection[str]) -> None:
    """Leave of every file in `folder` what is about these rows: all else is of no exam any more, or was erased."""
    for file in folder.glob(f"*{SUFFIX}"):
        lines = list(_read_whole_lines(file))
        wanted = [line for line in lines if line.get("row_id") in row_ids]
        if not wanted:
            file.unlink(missing_ok=True)
        elif len(wanted) < len(lines):
            write_atomic(file, b"".join(json.dumps(line).encode() + b"\n" for line in wanted))


def _read_whole_lines(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with file.open("r+b") as torn:
            torn.truncate(len(whole))
    return list(_parse(whole))


def _parse(content: bytes) -> Iterator[dict[str, Any]]:
    """Each line, and an empty object for one that is not an object."""
    for line in content.split(b"\n")[:-1]:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        yield value if isinstance(value, dict) else {}
