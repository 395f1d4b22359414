"""A record that lacks a file, or lies beside another's, is refused and left as it is; a crash alone refuses nothing."""

import asyncio
import logging
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from collect.integrity import HEAD_BYTES, log_of, mark_of
from collect.store import Store, open_store
from collect.writer import Writer
from nightschool.errors import RecordError

ROOT = Path(__file__).parents[2]
CRASH = """
import asyncio, os, sys
from pathlib import Path
from collect.store import open_store

async def main():
    file = Path(sys.argv[1])
    async with open_store(file, temp=file.parent / "temp", memory_gib=0.5, threads=1) as store:
        await store.write(lambda c: c.execute("create table if not exists said (text varchar)") and None)
        for number in range(int(sys.argv[2])):
            await store.write(lambda c: c.execute("insert into said values ($text)", {"text": "hello"}) and None)
        os._exit(9)

asyncio.run(main())
"""


def crash(file: Path, *, rows: int) -> None:
    """A server that kept so many rows and was killed."""
    ended = subprocess.run([sys.executable, "-c", CRASH, str(file), str(rows)], cwd=ROOT, check=False, timeout=120)
    assert ended.returncode == 9


def rows_of(file: Path) -> int:
    async def ask() -> int:
        async with open_store(file, temp=file.parent / "temp", memory_gib=0.5, threads=1) as store:
            return await store.read(count)

    return asyncio.run(ask())


def count(cursor: object) -> int:
    return int(cursor.execute("select count(*) from said").fetchone()[0])  # type: ignore[attr-defined]


def cut(path: Path) -> None:
    kept = path.read_bytes()
    path.write_bytes(kept[: len(kept) // 2])


def remove_all(file: Path) -> None:
    file.unlink()
    log_of(file).unlink()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    file = tmp_path / "r.duckdb"
    crash(file, rows=50)
    return file


def test_a_crash_loses_nothing_and_refuses_nothing(crashed: Path) -> None:
    assert rows_of(crashed) == 50
    crash(crashed, rows=5)
    assert rows_of(crashed) == 55
    assert rows_of(crashed) == 55


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda file: log_of(file).unlink(), r"r\.duckdb\.wal is missing \(0 of [\d,]+ bytes\)"),
        (lambda file: cut(log_of(file)), r"r\.duckdb\.wal is cut short \([\d,]+ of [\d,]+ bytes\)"),
        (lambda file: file.unlink(), "is missing, and its log is there"),
        (remove_all, "is missing"),
        (cut, "is cut short"),
    ],
)
def test_what_is_missing_is_told_and_the_rest_left_alone(
    crashed: Path, harm: Callable[[Path], object], problem: str
) -> None:
    kept = files(crashed.parent)
    harm(crashed)
    harmed = files(crashed.parent)
    with pytest.raises(RecordError, match=problem):
        rows_of(crashed)
    assert files(crashed.parent) == harmed
    for name, content in kept.items():
        (crashed.parent / name).write_bytes(content)
    assert rows_of(crashed) == 50


def test_a_log_of_another_record_is_never_replayed(crashed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "r.duckdb"
    crash(other, rows=80)
    own = log_of(crashed).read_bytes()
    shutil.copy(log_of(other), log_of(crashed))
    with pytest.raises(RecordError, match="beside a log that is another's"):
        rows_of(crashed)
    log_of(crashed).write_bytes(own)
    assert rows_of(crashed) == 50
    shutil.copy(log_of(other), log_of(crashed))
    with pytest.raises(RecordError, match="Move that log away"):
        rows_of(crashed)


def test_a_log_that_begins_with_the_very_same_commits_is_told_apart(crashed: Path, tmp_path: Path) -> None:
    """More of the same was said in the other record, so its log is longer and every commit of ours is in it."""
    other = tmp_path / "other" / "r.duckdb"
    crash(other, rows=80)
    own = log_of(crashed).read_bytes()
    assert HEAD_BYTES < len(own) < log_of(other).stat().st_size
    shutil.copy(log_of(other), log_of(crashed))
    with pytest.raises(RecordError, match="beside a log that is another's"):
        rows_of(crashed)
    log_of(crashed).write_bytes(own)
    assert rows_of(crashed) == 50


def test_a_log_of_another_is_told_apart_before_anything_was_said(tmp_path: Path) -> None:
    ours, other = tmp_path / "ours" / "r.duckdb", tmp_path / "other" / "r.duckdb"
    for file, rows in ((ours, 0), (other, 3)):
        crash(file, rows=1)
        assert rows_of(file) == 1
        crash(file, rows=rows)
    shutil.copy(log_of(other), log_of(ours))
    with pytest.raises(RecordError, match="beside a log that is another's"):
        rows_of(ours)


def test_an_older_log_of_the_record_itself_is_not_replayed_again(crashed: Path) -> None:
    old = log_of(crashed).read_bytes()
    assert rows_of(crashed) == 50
    crash(crashed, rows=1)
    log_of(crashed).write_bytes(old)
    with pytest.raises(RecordError, match="beside a log that is another's"):
        rows_of(crashed)


def test_without_a_mark_a_record_knows_its_own_log(crashed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "r.duckdb"
    crash(other, rows=80)
    shutil.copy(log_of(other), log_of(crashed))
    mark_of(crashed).unlink()
    with pytest.raises(RecordError, match="beside a log that is another's"):
        rows_of(crashed)


def test_an_older_copy_opens_once_the_mark_is_deleted(crashed: Path) -> None:
    assert rows_of(crashed) == 50
    copy = crashed.read_bytes()
    crash(crashed, rows=7)
    crashed.write_bytes(copy)
    log_of(crashed).unlink()
    with pytest.raises(RecordError, match=r"delete r\.duckdb\.state"):
        rows_of(crashed)
    mark_of(crashed).unlink()
    assert rows_of(crashed) == 50


@pytest.mark.parametrize("content", [b"", b"\xff\xfe nonsense", b'{"phase": "dancing"}'])
def test_a_mark_that_says_nothing_keeps_nobody_out(
    crashed: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    mark_of(crashed).write_bytes(content)
    assert rows_of(crashed) == 50
    assert "cannot be read" in caplog.text


async def test_a_second_server_is_told_so_and_leaves_the_mark_alone(tmp_path: Path) -> None:
    file = tmp_path / "r.duckdb"
    async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1):
        before = mark_of(file).read_bytes()
        second = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CRASH, str(file), "1", cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        _, told = await second.communicate()
        assert b"another Nightschool server" in told
        assert mark_of(file).read_bytes() == before


async def keep_rows(store: Store, rows: int) -> None:
    await store.write(lambda c: c.execute("create table if not exists said (text varchar)") and None)
    for _ in range(rows):
        await store.write(lambda c: c.execute("insert into said values ($text)", {"text": "x" * 1_000}) and None)


def size_bytes_of(log: Path) -> int:
    """0 for one that was folded in whole: it is gone until the next write."""
    try:
        return log.stat().st_size
    except FileNotFoundError:
        return 0


async def test_a_large_log_is_folded_in_once_nobody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Writer.__init__, "__kwdefaults__", {"fold_bytes": 20_000})
    file = tmp_path / "r.duckdb"
    async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        await keep_rows(store, 60)
        async with asyncio.timeout(60):
            while size_bytes_of(log_of(file)) > 5_000:
                await asyncio.sleep(0.01)
        assert await store.read(count) == 60


async def test_a_log_is_folded_in_at_some_size_though_somebody_always_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Writer.__init__, "__kwdefaults__", {"fold_bytes": 10_000})
    file = tmp_path / "r.duckdb"
    async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        await keep_rows(store, 90)
        assert size_bytes_of(log_of(file)) < 50_000
        assert await store.read(count) == 90


async def test_without_room_the_log_grows_and_the_record_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(Writer.__init__, "__kwdefaults__", {"fold_bytes": 20_000})
    monkeypatch.setattr("nightschool.files.shutil.disk_usage", lambda _: usage(1_000_000, 999_000, 1_000))
    file = tmp_path / "r.duckdb"
    with caplog.at_level(logging.ERROR):
        async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
            await keep_rows(store, 120)
            assert log_of(file).stat().st_size > 100_000
    assert [record.message for record in caplog.records if "nearly full" in record.message] == [
        f"the disk of {tmp_path} is nearly full: the record's log is not folded in and grows"
    ]
