"""The rows of a run: taken from where the caller says they are, checked, and laid in a file of the run's own.

So what a run grades does not change, and is there after a restart, whatever becomes of the upload or the conversations
it came from. Does not know how a row is graded.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple

from eval.graders.item_schema import check_of
from eval.graders.rows import EvalRow, read_rows
from nightschool.errors import InvalidInput
from nightschool.files import replace_file

REMEDY: Final = "Mend the row, or the eval's item_schema (a new eval)."


def lay_rows(rows: Iterable[EvalRow], target: Path, *, temp: Path, schema: dict[str, Any] | None, most: int) -> int:
    """How many rows the file has now. Raises InvalidInput where one does not look as it should, or there are too many;
    then there is no file."""
    check = check_of(schema) if schema is not None else None
    number = 0
    with NamedTemporaryFile(dir=temp, prefix="rows-", delete=False) as draft:
        try:
            for number, row in enumerate(rows, 1):
                if number > most:
                    raise InvalidInput(
                        f"has more than {most} rows",
                        subject="data_source",
                        remedy="Send fewer, or raise evals.max_run_rows.",
                        param="data_source",
                    )
                if check and (fault := check(row.item)):
                    raise InvalidInput(fault, subject=f"row {number}", remedy=REMEDY, param="data_source")
                draft.write(row.to_line())
            if not number:
                raise InvalidInput(
                    "has no row", subject="data_source", remedy="Name one that has some.", param="data_source"
                )
            draft.flush()
            replace_file(Path(draft.name), target)
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise
    return number


def read_uploaded(file: Path, *, file_id: str) -> Iterator[EvalRow]:
    with file.open("rb") as lines:
        yield from read_rows(lines, subject=file_id)


class NumberedRow(NamedTuple):
    number: int
    """From 1."""
    row: EvalRow


class LaidRows:
    """A run's rows, read some at a time."""

    def __init__(self, file: Path) -> None:
        self._lines = file.open("rb")
        self._numbered = enumerate(self._lines, 1)

    def next(self, most: int, *, but: frozenset[int]) -> list[NumberedRow]:
        """The next rows with their numbers, without those in `but`; empty at the end."""
        left = ((number, line) for number, line in self._numbered if number not in but)
        return [NumberedRow(number, _read(line)) for number, line in islice(left, most)]

    def close(self) -> None:
        self._lines.close()


def _read(line: bytes) -> EvalRow:
    value = json.loads(line)
    return EvalRow(value["item"], value.get("sample"))
