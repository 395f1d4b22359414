"""What is done to a record while no server has it open: back it up, put a backup in its place, look it over.

Whoever calls holds the data folder. A record that is damaged, or lacks a file, is replaced without being opened.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

from collect.backups import ASIDE, Backup, check_room, draft_backup, keep_backup
from collect.check import Found, examine_in_child
from collect.integrity import check_files
from collect.opening import connect_record
from collect.replace import discard_draft, draft_of, finish_replacing, replace_record
from collect.whole import Taken, build_record
from collect.writer import Cursor
from nightschool.errors import NotFound

MEMORY_GIB: Final = 1.0
THREADS: Final = 2
GROWTH: Final = 4
"""A record may take so many times the room of its backup, which is compressed."""


class Restored(NamedTuple):
    taken: Taken
    aside: Path | None
    """Where the record is now that stood there."""


@contextmanager
def opened(file: Path, *, temp: Path, read_only: bool = False) -> Iterator[Cursor]:
    """A record that no server has open, for the length of the block. Raises what opening raises."""
    connection = connect_record(file, temp=temp, memory_gib=MEMORY_GIB, threads=THREADS, read_only=read_only)
    try:
        connection.execute("set global TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def back_up(file: Path, folder: Path, *, temp: Path, keep: int | None, at: datetime) -> Backup:
    """A backup of `file` in `folder`. Raises NotFound, and what opening, reading and keeping it raise."""
    _settle(file)
    check_files(file)
    temp.mkdir(parents=True, exist_ok=True)
    with opened(file, temp=temp, read_only=True) as connection:
        draft = draft_backup(connection, file, temp=temp, reason="asked", at=at)
    return keep_backup(draft, folder, keep=keep)


def bring_back(
    folder: Path, file: Path, *, temp: Path, replaced: Path, at: datetime, settle: Callable[[Path], None]
) -> Restored:
    """Put what the backup `folder` holds in the place of `file`, which is kept in a folder below `replaced`.

    `settle` is handed the file before it takes the other's place.
    """
    finish_replacing(file)
    discard_draft(file)
    temp.mkdir(parents=True, exist_ok=True)
    size = sum(path.stat().st_size for path in folder.glob("*.parquet"))
    check_room(file.parent, GROWTH * size)
    try:
        taken = build_record(folder, draft_of(file), temp=temp)
        settle(draft_of(file))
    except BaseException:
        discard_draft(file)
        raise
    aside = replaced / at.strftime(ASIDE) if file.exists() else None
    replace_record(file, aside=aside or replaced)
    return Restored(taken, aside)


def look_over(file: Path) -> Found:
    """What another process finds in the record. Raises NotFound, RecordError."""
    _settle(file)
    return examine_in_child(file)


def _settle(file: Path) -> None:
    finish_replacing(file)
    if not file.exists():
        check_files(file)
        raise NotFound("is not there", subject=str(file), remedy="Set NIGHTSCHOOL_HOME to where your record lies.")
