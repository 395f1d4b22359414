"""Write an export to a file, and the card that goes with it: what it holds, how it was chosen, and its hash.

All of it is of one moment. Written slice by slice, so that memory does not depend on how much there is. Does not know
who asked, nor how the file reaches them.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

import duckdb
from pydantic import AwareDatetime, BaseModel, ConfigDict

from collect.formats.answer_rows import Form, Wanted, write_answers
from collect.formats.write import export_conversations
from collect.opening import cannot_use
from collect.store import Cursor
from nightschool.files import hash_file
from nightschool.records import BotName

SCHEMA: Final = "select max(name) from migrations"
PREFIX: Final = "export-"
"""Of the files in the temporary folder."""
BUFFER_BYTES: Final = 1 << 20
"""A write of some thousand bytes is mostly its call."""


class ExportCard(BaseModel):
    """What an exported file holds; stands beside it as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    bot: str
    format: str
    """`conversations`, or one of those for answers."""
    filters: dict[str, str | int | bool] = {}
    """By which answers were chosen; what is not named was not asked for."""
    taken_at: AwareDatetime
    rows: int
    """Lines, or rows of Parquet."""
    size_bytes: int
    sha256: str
    duckdb: str
    record_schema: str
    """The newest change of the record's schema."""


class Asked(NamedTuple):
    """What is to be exported; without a form conversations, else answers."""

    bot: BotName
    form: Form | None = None
    wanted: Wanted = Wanted()


def clear_exports(temp: Path) -> None:
    """Drop what a killed server left half written: it holds what people said. Only while nobody exports."""
    for left in temp.glob(f"{PREFIX}*"):
        left.unlink()


def write_export(cursor: Cursor, *, asked: Asked, target: Path, at: datetime) -> ExportCard:
    """Write the file, which lies where the record may write: in the temporary folder. Raises Unavailable where the
    disk does not take it."""
    cursor.begin()
    try:
        if asked.form is None:
            rows = _write_lines(target, export_conversations(cursor, bot=asked.bot))
        else:
            rows = write_answers(cursor, bot=asked.bot, form=asked.form, wanted=asked.wanted, target=target)
        [(schema,)] = cursor.execute(SCHEMA).fetchall()
    except OSError as error:
        raise cannot_use(target.parent, error) from error
    finally:
        cursor.rollback()
    return ExportCard(
        bot=asked.bot,
        format=asked.form or "conversations",
        filters=asked.wanted.given,
        taken_at=at,
        rows=rows,
        size_bytes=target.stat().st_size,
        sha256=hash_file(target),
        duckdb=duckdb.__version__,
        record_schema=schema,
    )


def _write_lines(target: Path, lines: Iterable[bytes]) -> int:
    count = 0
    with target.open("wb", buffering=BUFFER_BYTES) as file:
        for line in lines:
            file.write(line + b"\n")
            count += 1
    return count
