"""Open the record and ask it questions: the only module that opens DuckDB.

Promise: a write that returned is durable; kill -9 loses none and doubles none. One writer thread commits in groups, and
every question has a cursor of its own, since a connection shared by threads gives wrong rows. Does not know what is
stored: changes and questions are functions of a cursor, from the other modules of this room.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from collect.migrations.runner import migrate
from collect.writer import Writer, record_error
from nightschool.errors import NightschoolError, RecordError, Unavailable

Cursor = duckdb.DuckDBPyConnection
T = TypeVar("T")

READERS: Final = 4
CHECKPOINT_THRESHOLD: Final = "16MB"
SPILL_FACTOR: Final = 4
"""A question may put this many times its memory into the temporary folder, and not fill the disk."""


class Store:
    """An open record. Made by `open_store`."""

    def __init__(self, connection: Cursor, writer: Writer, readers: ThreadPoolExecutor) -> None:
        self._connection = connection
        self._writer = writer
        self._readers = readers

    @property
    def commits(self) -> int:
        """Transactions committed so far; fewer than writes, since writes that wait together share one."""
        return self._writer.commits

    async def read(self, question: Callable[[Cursor], T]) -> T:
        """What `question` finds, in a thread, as of now."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._ask, question)

    async def write(self, change: Callable[[Cursor], T]) -> T:
        """What `change` returns, once it is durable. What it raises is raised here, and nothing of it is kept.

        A change may be run twice (after a neighbour in its group failed), so it must do nothing but SQL. Raises
        RecordError where disk or memory fail, Unavailable where the record is closed.
        """
        return await asyncio.wrap_future(self._writer.submit(change))

    def _ask(self, question: Callable[[Cursor], T]) -> T:
        try:
            with self._connection.cursor() as cursor:
                return question(cursor)
        except (duckdb.OperationalError, duckdb.FatalException) as error:
            raise record_error(error) from error


@asynccontextmanager
async def open_store(file: Path, *, temp: Path, memory_gib: float, threads: int) -> AsyncIterator[Store]:
    """The record in `file`, made where there is none and migrated, for the length of the block.

    At the end writes that wait are committed first. Raises Unavailable where another process has it open, RecordError
    where it is damaged or of a newer Nightschool.
    """
    connection = await asyncio.to_thread(_open, file, temp=temp, memory_gib=memory_gib, threads=threads)
    writer = Writer(connection.cursor())
    readers = ThreadPoolExecutor(READERS, thread_name_prefix="record-reader")

    def close() -> None:
        writer.close()
        readers.shutdown()
        connection.close()

    try:
        yield Store(connection, writer, readers)
    finally:
        # In one thread, so that a cancelled task leaves nothing half closed.
        await asyncio.to_thread(close)


def _open(file: Path, *, temp: Path, memory_gib: float, threads: int) -> Cursor:
    # The first parametrised statement would import pandas, which stalls it for a second.
    import pandas  # noqa: F401, PLC0415

    file.parent.mkdir(parents=True, exist_ok=True)
    temp.mkdir(parents=True, exist_ok=True)
    connection = _connect(file, temp=temp, memory_gib=memory_gib, threads=threads)
    try:
        # Global, so that cursors have it: otherwise a snapshot's columns would name the machine's zone.
        connection.execute("set global TimeZone = 'UTC'")
        connection.execute("set enable_progress_bar = false")
        migrate(connection)
        # Opening replays the log but does not fold it in, so the next start would replay it again.
        connection.execute("checkpoint")
        connection.execute("set allowed_directories = $folders", {"folders": [str(temp)]})
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    except NightschoolError:
        connection.close()
        raise
    except duckdb.Error as error:
        connection.close()
        raise _damaged(file, error) from error
    return connection


def _connect(file: Path, *, temp: Path, memory_gib: float, threads: int) -> Cursor:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_gib}GiB",
        "threads": threads,
        "temp_directory": str(temp),
        "max_temp_directory_size": f"{SPILL_FACTOR * memory_gib}GiB",
        "checkpoint_threshold": CHECKPOINT_THRESHOLD,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    try:
        return duckdb.connect(file, config=settings)
    except duckdb.Error as error:
        # DuckDB has no type of its own for this, only its words.
        if "Could not set lock on file" in str(error):
            raise Unavailable(
                "another Nightschool server runs on this data folder",
                subject=str(file),
                remedy="Stop that one first, or set NIGHTSCHOOL_HOME to another folder.",
            ) from error
        raise _damaged(file, error) from error


def _damaged(file: Path, error: duckdb.Error) -> RecordError:
    return RecordError(f"cannot be opened ({error})", subject=str(file), remedy="Restore it from a backup.")
