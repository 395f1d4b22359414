"""The rows of a run: taken from where the caller says they are, checked, and laid in a file of the run's own.

So what a run grades does not change, and is there after a restart, whatever becomes of the upload. Of a recorded answer
only its id is laid: its words stand in the record alone, and are gone from the run too once they are erased. Does not
know how a row is graded.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple

from collect.completions_log import LoggedCompletion
from eval.graders.item_schema import check_of
from eval.graders.rows import EvalRow, read_rows
from nightschool.errors import InvalidInput
from nightschool.files import replace_file
from nightschool.records import AdapterName, BotName

REMEDY: Final = "Mend the row, or the eval's item_schema (a new eval)."


class Source(NamedTuple):
    """A row to be laid."""

    row: EvalRow
    message_id: str | None = None
    """Of the recorded answer that it is; None: the caller's own."""


class LaidRow(NamedTuple):
    number: int
    """From 1."""
    row: EvalRow | None
    """None: it is the recorded answer `message_id`."""
    message_id: str | None = None


class Laid(NamedTuple):
    """What a file holds."""

    rows: int
    size_bytes: int


def lay_rows(sources: Iterable[Source], target: Path, *, temp: Path, schema: dict[str, Any] | None, most: int) -> Laid:
    """Raises InvalidInput where a row does not look as it should, or there are too many; then there is no file."""
    check = check_of(schema) if schema is not None else None
    number = 0
    with NamedTemporaryFile(dir=temp, prefix="rows-", delete=False) as draft:
        try:
            for number, source in enumerate(sources, 1):
                if number > most:
                    raise _refuse(f"has more than {most} rows", "Send fewer, or raise evals.max_run_rows.")
                if check and (fault := check(source.row.item)):
                    raise InvalidInput(fault, subject=f"row {number}", remedy=REMEDY, param="data_source")
                draft.write(_line(source))
            if not number:
                raise _refuse("has no row", "Name one that has some.")
            draft.flush()
            size_bytes = draft.tell()
            replace_file(Path(draft.name), target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return Laid(number, size_bytes)


def read_uploaded(file: Path, *, file_id: str) -> Iterator[Source]:
    with file.open("rb") as lines:
        for row in read_rows(lines, subject=file_id):
            yield Source(row)


def row_of_logged(one: LoggedCompletion) -> EvalRow:
    """As OpenAI's logs look to templates: `item.input`, `sample.output_text`."""
    model = f"{one.bot}@verified" if one.is_verified else str(AdapterName(BotName(one.bot), one.version))
    total = one.prompt_tokens + one.completion_tokens
    item = {"id": one.completion_id, "input": list(one.asked), "created_at": int(one.created_at.timestamp())}
    sample = {
        "output_text": one.answer, "model": model, "input": list(one.asked), "finish_reason": one.finish,
        "usage": {
            "prompt_tokens": one.prompt_tokens, "completion_tokens": one.completion_tokens, "total_tokens": total,
            "cached_tokens": 0,
        },
    }  # fmt: skip
    return EvalRow(item, sample)


class LaidRows:
    """A run's rows, read some at a time."""

    def __init__(self, file: Path) -> None:
        self._lines = file.open("rb")
        self._numbered = enumerate(self._lines, 1)

    def next(self, most: int, *, but: frozenset[int]) -> list[LaidRow]:
        """The next rows without those whose numbers are in `but`; empty at the end."""
        left = ((number, line) for number, line in self._numbered if number not in but)
        return [_read(number, line) for number, line in islice(left, most)]

    def close(self) -> None:
        self._lines.close()


def _line(source: Source) -> bytes:
    row, message_id = source
    laid: dict[str, Any] = {"message_id": message_id} if message_id else row._asdict()
    return json.dumps(laid).encode() + b"\n"


def _read(number: int, line: bytes) -> LaidRow:
    laid = json.loads(line)
    if "message_id" in laid:
        return LaidRow(number, None, laid["message_id"])
    return LaidRow(number, EvalRow(laid["item"], laid["sample"]))


def _refuse(problem: str, remedy: str) -> InvalidInput:
    return InvalidInput(problem, subject="data_source", remedy=remedy, param="data_source")
