"""The frozen core of a bot's exams: rows that never change, so that nights can be compared over months.

A file in the bot's home holds their ids, which are hashes of what was said. What the dataset does not hold any more,
since somebody had it erased or an operator corrected it, leaves for good; nothing takes its place. Does not know who
is asked.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.suites import SuiteRow, count_witnesses, pick_core
from nightschool.errors import InvalidInput
from nightschool.files import write_atomic


class _CoreFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    row_ids: tuple[str, ...]


def keep_core(file: Path, rows: Sequence[SuiteRow], *, max_rows: int, least: int) -> frozenset[str] | None:
    """Ids of the core that is left, frozen now where there is none; None below `least` witnesses, where a later exam
    freezes a better one. `rows` is everything held out. Raises InvalidInput."""
    held_out = {row.row_id for row in rows}
    known = _read(file)
    left = tuple(row_id for row_id in known if row_id in held_out)
    if not left:
        if count_witnesses(rows) < least:
            return None
        left = tuple(row.row_id for row in pick_core(rows, max_rows=max_rows))
    if left != known:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, _CoreFile(row_ids=left).model_dump_json(indent=2) + "\n")
    return frozenset(left)


def _read(file: Path) -> tuple[str, ...]:
    if not file.exists():
        return ()
    try:
        return _CoreFile.model_validate_json(file.read_bytes()).row_ids
    except ValidationError as error:
        raise InvalidInput(
            f"does not name the rows of a core ({error})", subject=str(file), remedy="Remove it: a new one is frozen."
        ) from error
