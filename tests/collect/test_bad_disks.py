"""A disk that fills: the record says so at once, loses nothing, and opens again without room to fold its log in."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from collect.store import Store, open_store
from nightschool.errors import RecordError, Unavailable

ROOT = Path(__file__).parents[2]
FILL_AND_DIE = """
import asyncio, os, sys
from pathlib import Path
from collect.store import open_store

async def main():
    folder = Path(sys.argv[1])
    async with open_store(folder / "r.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        await store.write(lambda c: c.execute("create table bulk (text varchar)") and None)
        for _ in range(40):
            text = os.urandom(50_000).hex()
            await store.write(lambda c: c.execute("insert into bulk values ($text)", {"text": text}) and None)
        os._exit(9)

asyncio.run(main())
"""
OPEN_WITHOUT_ROOM = """
import asyncio, resource, signal, sys
from pathlib import Path
from collect.store import open_store

async def main():
    folder = Path(sys.argv[1])
    # No file may grow beyond what the record has now, as on a full disk.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = (folder / "r.duckdb").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    async with open_store(folder / "r.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        print(await store.read(lambda c: c.execute("select count(*) from bulk").fetchone()[0]), flush=True)
        import os
        os._exit(0)

asyncio.run(main())
"""


def run(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(folder)], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )


def test_an_intact_record_opens_where_its_log_cannot_be_folded_in(tmp_path: Path) -> None:
    assert run(FILL_AND_DIE, tmp_path).returncode == 9
    assert (tmp_path / "r.duckdb.wal").stat().st_size > 1_000_000
    opened = run(OPEN_WITHOUT_ROOM, tmp_path)
    assert (opened.returncode, opened.stdout.strip()) == (0, "40"), opened.stderr


async def test_a_failure_that_closes_the_record_is_told_at_once_and_ends_its_owner(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    await store.check_open()
    watching = asyncio.create_task(store.until_failure())

    def fill_the_disk(_: object) -> None:
        raise duckdb.FatalException("Failed to create checkpoint: No space left on device")

    with pytest.raises(RecordError, match="was closed by a failure"):
        await store.write(fill_the_disk)
    assert [r.message for r in caplog.records if r.levelno == logging.CRITICAL] == [
        "the record was closed by a failure: Failed to create checkpoint: No space left on device"
    ]
    with pytest.raises(RecordError):
        await store.check_open()
    with pytest.raises(RecordError, match="a start brings back"):
        await watching


async def test_what_is_no_record_is_told_by_its_own_cause(tmp_path: Path) -> None:
    folder = tmp_path / "folder.duckdb"
    folder.mkdir()
    with pytest.raises(Unavailable, match="is a folder"):
        async with open_store(folder, temp=tmp_path / "temp", memory_gib=0.5, threads=1):
            pass
    (tmp_path / "text.duckdb").write_text("no record at all" * 1_000)
    with pytest.raises(RecordError, match="is damaged"):
        async with open_store(tmp_path / "text.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1):
            pass
