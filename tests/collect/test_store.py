"""What opening promises: one server a folder, nothing reachable beside the record, and whole columns in UTC."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import duckdb
import pytest

from collect.events import append_event, list_events
from collect.store import Cursor, Store, open_store
from nightschool.errors import RecordError, Unavailable
from nightschool.records import BotName, Event, new_id

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPEN_IT = """
import asyncio, sys
from pathlib import Path
from collect.store import open_store
from nightschool.errors import NightschoolError
async def main():
    folder = Path(sys.argv[1])
    try:
        async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1):
            print("opened")
    except NightschoolError as error:
        print(type(error).__name__, error)
asyncio.run(main())
"""


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Store]:
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        yield store


def event(subject: str = "support@1") -> Event:
    return Event(new_id(), NOON, BotName("support"), "ada", "promoted", subject, "better")


async def test_what_was_written_is_there_after_the_next_start(tmp_path: Path) -> None:
    written = event()
    async with opened(tmp_path / "data") as store:
        await store.write(partial(append_event, event=written))
    async with opened(tmp_path / "data") as store:
        assert await store.read(list_events) == [written]


async def test_writes_that_wait_are_kept_when_the_store_closes(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        waiting = [asyncio.create_task(store.write(partial(append_event, event=event()))) for _ in range(50)]
        await asyncio.sleep(0)  # lets each of them queue
    await asyncio.gather(*waiting)
    async with opened(tmp_path) as store:
        assert len(await store.read(list_events)) == 50


async def test_a_closed_store_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        pass
    with pytest.raises(Unavailable, match="is closed"):
        await store.write(partial(append_event, event=event()))
    for read in (store.read, store.read_long):
        with pytest.raises(Unavailable, match="is closed"):
            await read(list_events)


async def test_a_second_server_on_the_folder_is_told_what_to_do(store: Store, tmp_path: Path) -> None:
    second = subprocess.run(
        [sys.executable, "-c", OPEN_IT, str(tmp_path)], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert second.stdout.startswith("Unavailable ")
    assert "another Nightschool server runs on this data folder" in second.stdout
    assert second.stderr == ""


async def test_a_damaged_file_is_not_taken_for_one_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "lock"
    folder.mkdir()
    (folder / "record.duckdb").write_bytes(b"not a record" * 4096)
    with pytest.raises(RecordError, match="is damaged"):
        async with opened(folder):
            pass


async def test_a_record_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    async with opened(tmp_path) as store:
        await store.write(lambda cursor: cursor.execute("insert into migrations values ('m999_later', now())") and None)
    for _ in range(2):  # the second try shows that the first let go of the file
        with pytest.raises(RecordError, match=r"m999_later.*Upgrade Nightschool"):
            async with opened(tmp_path):
                pass


@pytest.mark.parametrize(
    "reaching_out",
    [
        "copy (select 1) to '{folder}/out.csv'",
        "select * from read_text('{folder}/secret.txt')",
        "attach '{folder}/other.duckdb'",
        "set memory_limit = '100GiB'",
        "install fts",
    ],
)
async def test_sql_reaches_nothing_beside_the_record(store: Store, tmp_path: Path, reaching_out: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises((duckdb.Error, RecordError)):
        await store.read(lambda cursor: cursor.execute(reaching_out.format(folder=tmp_path)).fetchall())
    assert {file.name for file in tmp_path.iterdir()} <= {
        "record.duckdb",
        "record.duckdb.wal",
        "record.duckdb.state",
        "secret.txt",
        "temp",
    }


async def test_every_cursor_thinks_in_utc(store: Store) -> None:
    def zone(cursor: Cursor) -> object:
        return cursor.execute("select current_setting('TimeZone')").fetchall()

    assert await store.read(zone) == await store.write(zone) == [("UTC",)]


async def test_questions_at_once_get_their_own_answers(store: Store) -> None:
    def echo(number: int, cursor: Cursor) -> object:
        return cursor.execute("select $number", {"number": number}).fetchall()[0][0]

    asked = list(range(200))
    assert await asyncio.gather(*(store.read(partial(echo, number)) for number in asked)) == asked


async def test_a_question_that_fails_harms_no_other(store: Store) -> None:
    with pytest.raises(duckdb.CatalogException):
        await store.read(lambda cursor: cursor.execute("select 1 from nowhere"))
    assert await store.read(list_events) == []
