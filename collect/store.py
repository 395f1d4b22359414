"""Open the record and ask it questions: the only module that opens DuckDB.

Promise: a write that returned is durable; kill -9 loses none and doubles none. One writer thread commits in groups, and
every question has a cursor of its own (`collect.asking`). Does not know what is stored: changes and questions are
functions of a cursor, from the other modules of this room.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from collect.asking import Askers
from collect.backups import draft_backup, keep_backup
from collect.causes import FULL_DISK, FULL_FILE, find_cause
from collect.integrity import Marker, check_files, fold_log
from collect.migrations.runner import is_behind, migrate
from collect.opening import cannot_open, cannot_use, connect_record
from collect.replace import finish_replacing
from collect.replies import Replies
from collect.writer import FATAL, Batch, Writer, record_error
from nightschool.errors import NightschoolError
from nightschool.records import utc_now

Cursor = duckdb.DuckDBPyConnection
R = TypeVar("R")
T = TypeVar("T")

log = logging.getLogger(__name__)

ROOM: Final = (None, FULL_DISK, FULL_FILE)
"""Why a log may not be folded in though the record is whole; None is not known."""
FAILURE_POLL_S: Final = 0.5
UPGRADES_KEPT: Final = 3
"""Backups that were taken before the schema changed."""
READERS: Final = 4
LONG_READERS: Final = 3
LOOK_S: Final = 60.0
"""Nobody waits for a list for longer: the deadline of what people look at."""


class Store:
    """An open record. Made by `open_store`."""

    def __init__(self, writer: Writer, readers: Askers, long_readers: Askers) -> None:
        self._writer = writer
        self._readers = readers
        self._long_readers = long_readers
        self._replies = Replies()

    @property
    def commits(self) -> int:
        """Transactions committed so far; fewer than writes, since writes that wait together share one."""
        return self._writer.commits

    async def check_open(self) -> None:
        """Returns where the record answers and takes changes. Raises RecordError."""
        await self.read(lambda cursor: cursor.execute("select 1").fetchone())
        if self._writer.failure is not None:
            raise record_error(self._writer.failure)
        if self._writer.is_in_trouble:
            await self.write(_change_nothing)

    async def until_failure(self) -> None:
        """Returns only by raising RecordError: once the record was closed by a failure, nothing brings it back."""
        while self._writer.failure is None:  # noqa: ASYNC110  # the writer's thread knows no loop
            await asyncio.sleep(FAILURE_POLL_S)
        raise record_error(self._writer.failure)

    async def read(self, question: Callable[[Cursor], T]) -> T:
        """What `question` finds, in a thread, as of now. For what is found by a key, or is small."""
        return await self._readers.ask(question)

    async def read_long(self, question: Callable[[Cursor], T], *, deadline_s: float | None = None) -> T:
        """As `read`, for what takes seconds: lists, searches, exports. Short questions wait for none of them, and one
        ends once nobody waits for it. Raises Unavailable past the deadline."""
        return await self._long_readers.ask(question, deadline_s=deadline_s)

    async def write(self, change: Callable[[Cursor], T]) -> T:
        """What `change` returns, once it is durable. What it raises is raised here, and nothing of it is kept.

        A change may be run twice (after a neighbour in its group failed), so it must do nothing but SQL. Raises
        RecordError where disk or memory fail, Unavailable where the record is closed.
        """
        return await self._replies.wait_for(self._writer.submit(change))

    async def write_row(self, change: Batch[R, T], row: R) -> T:
        """What became of `row`, once it is durable: as `write`, with one call for all rows that wait for `change`.

        The NightschoolError that `change` gives for a row is raised here, and costs its neighbours nothing.
        """
        return await self._replies.wait_for(self._writer.submit_row(change, row))

    async def fold(self) -> None:
        """Fold the log into the file: what was deleted is in neither then. Raises RecordError where that fails."""
        await self._replies.wait_for(self._writer.submit_fold())


def _change_nothing(cursor: Cursor) -> None:
    """Nothing that anybody asks for, and yet a commit."""
    cursor.execute("update log_signature set token = token")


@asynccontextmanager
async def open_store(
    file: Path, *, temp: Path, memory_gib: float, threads: int, backups: Path | None = None
) -> AsyncIterator[Store]:
    """The record in `file`, made where there is none and migrated, for the length of the block.

    Where `backups` is a folder, an older record is copied there before its schema changes.
    At the end writes that wait are committed first. Raises Unavailable where another process has it open, RecordError
    where it is damaged, of a newer Nightschool, or lacks a file.
    """
    connection, marker = await asyncio.to_thread(
        _open, file, temp=temp, memory_gib=memory_gib, threads=threads, backups=backups
    )
    writer = Writer(connection.cursor(), marker, folder=file.parent)
    readers = Askers(connection, READERS, name="record-reader")
    long_readers = Askers(connection, LONG_READERS, name="record-long-reader")

    def close() -> None:
        writer.close()
        readers.close()
        long_readers.close()
        marker.fold()
        connection.close()
        marker.note("closed")
        marker.close()

    try:
        yield Store(writer, readers, long_readers)
    finally:
        # In one thread, so that a cancelled task leaves nothing half closed.
        await asyncio.to_thread(close)


def _open(file: Path, *, temp: Path, memory_gib: float, threads: int, backups: Path | None) -> tuple[Cursor, Marker]:
    # The first parametrised statement would import pandas, which stalls it for a second.
    import pandas  # noqa: F401, PLC0415

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temp.mkdir(parents=True, exist_ok=True)
        finish_replacing(file)
    except OSError as error:
        raise cannot_use(file.parent, error) from error
    check_files(file)
    connect = partial(connect_record, file, temp=temp, memory_gib=memory_gib, threads=threads)
    connection = connect()
    marker = Marker(file)
    marker.begin()
    try:
        try:
            connection = _prepare(connection, file, temp=temp, backups=backups)
        except _NoCheckpoint as error:
            # An intact record on a full disk: it is whole without having been folded together.
            log.error("the record's log cannot be folded in, most likely for lack of disk: %s", error)
            connection = _prepare(connect(), file, temp=temp, backups=backups, with_checkpoint=False)
    except BaseException:
        marker.close()
        raise
    marker.note()
    return connection, marker


class _NoCheckpoint(Exception):
    """The log could not be folded in; the connection is dead, the files are whole."""


def _prepare(
    connection: Cursor, file: Path, *, temp: Path, backups: Path | None, with_checkpoint: bool = True
) -> Cursor:
    """The connection, migrated and locked down; closed again where that fails."""
    try:
        # Global, so that cursors have it: otherwise a snapshot's columns would name the machine's zone.
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        # "in (select unnest($names))" of up to so many names goes by the index; beyond, the whole table is read.
        connection.execute("set global dynamic_or_filter_threshold = 1024")
        if backups is not None and is_behind(connection):
            draft = draft_backup(connection, file, temp=temp, reason="upgrade", at=utc_now())
            made = keep_backup(draft, backups, keep=UPGRADES_KEPT)
            log.info("backup=%s messages=%d before the record's schema changes", made.folder, made.messages)
        migrate(connection)
        # Opening replays the log but does not fold it in, so the next start would replay it again.
        if with_checkpoint:
            try:
                fold_log(connection)
            except FATAL as error:
                if find_cause(error) not in ROOM:
                    raise
                raise _NoCheckpoint(str(error)) from error
        connection.execute("set allowed_directories = $folders", {"folders": [str(temp)]})
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    except (NightschoolError, _NoCheckpoint):
        connection.close()
        raise
    except duckdb.Error as error:
        connection.close()
        raise cannot_open(file, error) from error
    return connection
