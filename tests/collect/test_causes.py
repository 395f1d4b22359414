"""Each way in which a record cannot be opened or used has words and a remedy of its own; a backup is for damage alone.

As root a file's mode forbids nothing, so that a child looks at the folders as somebody else.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb
import pytest

from collect.causes import RESTORE
from collect.integrity import log_of, mark_of
from collect.opening import cannot_open
from collect.store import Store, open_store
from collect.writer import record_error
from nightschool.errors import RecordError, Unavailable

ROOT = Path(__file__).parents[2]
NOBODY: Final = 65_534
LOOK: Final = """
import asyncio, concurrent.futures.thread, json, os, sys
import pandas  # while this still may be read
from pathlib import Path
from collect.store import open_store
from nightschool.errors import NightschoolError

async def look(folder):
    try:
        async with open_store(folder / "r.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
            await store.check_open()
    except NightschoolError as error:
        return [type(error).__name__, error.problem, error.remedy]
    return ["opened", "", ""]

base, me = Path(sys.argv[1]), int(sys.argv[2])
if os.getuid() == 0:
    os.setgid(me)
    os.setuid(me)
print(json.dumps({folder.name: asyncio.run(look(folder)) for folder in sorted(base.iterdir())}))
"""


def cut(folder: Path) -> None:
    mark_of(folder / "r.duckdb").unlink()
    kept = (folder / "r.duckdb").read_bytes()
    (folder / "r.duckdb").write_bytes(kept[: len(kept) // 2])


def overwrite(at: int, size: int) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        with (folder / "r.duckdb").open("r+b") as file:
            file.seek(at)
            file.write(b"\xab" * size)

    return harm


def empty(folder: Path) -> None:
    mark_of(folder / "r.duckdb").unlink()
    (folder / "r.duckdb").write_bytes(b"")


def is_a_folder(folder: Path) -> None:
    (folder / "r.duckdb").unlink()
    mark_of(folder / "r.duckdb").unlink()
    (folder / "r.duckdb").mkdir()


NOT_OURS = ("Unavailable", "may not be written", "Give it and its folder")
DAMAGED = ("RecordError", "is damaged", RESTORE)
CASES: dict[str, tuple[Callable[[Path], object], tuple[str, str, str]]] = {
    "whole": (lambda folder: None, ("opened", "", "")),
    "read-only-file": (lambda folder: (folder / "r.duckdb").chmod(0o400), NOT_OURS),
    "read-only-folder": (lambda folder: folder.chmod(0o500), NOT_OURS),
    "closed-folder": (lambda folder: folder.chmod(0o000), NOT_OURS),
    "half-a-file": (cut, DAMAGED),
    "damaged-header": (overwrite(8, 64), DAMAGED),
    "damaged-blocks": (overwrite(12_388, 200_000), DAMAGED),
    "empty-file": (empty, DAMAGED),
    "folder-for-a-file": (is_a_folder, ("Unavailable", "is a folder", "Move it away")),
}


@pytest.fixture(scope="module")
def looked() -> Iterator[dict[str, list[str]]]:
    """What a server that is nobody in particular says of each folder."""
    # Not below pytest's own folder, which is closed to others.
    with tempfile.TemporaryDirectory(prefix="nightschool-causes-") as name:
        outer, base = Path(name), Path(name) / "cases"
        outer.chmod(0o755)
        make = LOOK.split("base, me")[0] + "asyncio.run(look(Path(sys.argv[1])))"
        first = base / "whole"
        first.mkdir(parents=True)
        subprocess.run([sys.executable, "-c", make, str(first)], cwd=ROOT, check=True)
        for case, (harm, _) in CASES.items():
            if case != "whole":
                shutil.copytree(first, base / case)
            harm(base / case)
        if os.getuid() == 0:
            for path in (base, *base.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
        command = [sys.executable, "-c", LOOK, str(base), str(NOBODY)]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        for folder in base.iterdir():
            folder.chmod(0o700)
        assert told.returncode == 0, told.stderr
        yield json.loads(told.stdout)


@pytest.mark.parametrize("case", CASES)
def test_each_cause_is_told_apart_when_a_record_is_opened(looked: dict[str, list[str]], case: str) -> None:
    kind, problem, remedy = CASES[case][1]
    assert looked[case][0] == kind, looked[case]
    assert problem in looked[case][1]
    assert remedy in looked[case][2]


@pytest.mark.parametrize(
    ("words", "kind", "remedy"),
    [
        # A file of DuckDB 2.0.0 and a full disk, as 1.5.5 tells of them.
        ("Trying to read a database file with version number 68, created with an newer version of DuckDB", Unavailable,
         "Upgrade Nightschool."),
        ("Could not write file: No space left on device", Unavailable, "Free some; the record itself is whole."),
        ("Cannot open file: Read-only file system", Unavailable, "Let that be written"),
        ("Out of Memory Error: could not allocate", Unavailable, "Raise store.memory_gib."),
        ("Corrupt database file: computed checksum 1", RecordError, RESTORE),
        ("WAL does not match database", RecordError, "Move that log away."),
        ("something that nobody has seen yet", RecordError, RESTORE),
    ],
)  # fmt: skip
def test_each_cause_has_its_remedy(words: str, kind: type[Exception], remedy: str, tmp_path: Path) -> None:
    told = cannot_open(tmp_path / "r.duckdb", duckdb.IOException(words))
    assert isinstance(told, kind)
    assert remedy in str(told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (duckdb.TransactionException("Failed to commit: No space left on device"), "finds no room on its disk"),
        (duckdb.IOException("Could not read enough bytes from file"), RESTORE),
        (duckdb.OutOfMemoryException("Out of Memory Error: failed"), "Raise store.memory_gib."),
        (duckdb.FatalException("Failed to create checkpoint: No space left on device"), "a start brings back all"),
        (duckdb.FatalException("who knows"), "a start brings back all"),
        (duckdb.IOException("Could not read 'what somebody wrote'"), "Free disk space and memory"),
    ],
)
def test_a_record_in_use_tells_its_cause_and_quotes_nobody(error: duckdb.Error, told: str) -> None:
    assert told in str(record_error(error))
    assert "somebody" not in str(record_error(error))


async def test_a_record_that_takes_no_changes_says_so_until_it_does(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: object) -> None:
        raise duckdb.TransactionException("Failed to commit: No space left on device")

    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(RecordError, match="finds no room on its disk"):
                await store.write(refuse)
        assert len([record for record in caplog.records if "takes no changes" in record.message]) == 1
        await store.check_open()
    assert "takes changes again" in caplog.text
    await store.check_open()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


async def test_a_full_disk_and_a_disk_that_may_only_be_read_lose_nothing_and_say_so(small_disk: Path) -> None:
    file = small_disk / "r.duckdb"

    def say(cursor: duckdb.DuckDBPyConnection) -> None:
        cursor.execute(
            "insert into system_prompts values ($id, $text)", {"id": os.urandom(9).hex(), "text": "x" * 200_000}
        )

    def count(cursor: duckdb.DuckDBPyConnection) -> int:
        return int(cursor.execute("select count(*) from system_prompts").fetchall()[0][0])

    kept = 0
    async with open_store(file, temp=small_disk / "temp", memory_gib=0.5, threads=1) as store:
        with suppress(RecordError):
            for _ in range(80):
                await store.write(say)
                kept += 1
        assert 0 < kept < 80
        with pytest.raises(RecordError, match="no room on its disk"):
            await store.write(say)
        assert await store.read(count) == kept
    assert log_of(file).exists()
    async with open_store(file, temp=small_disk / "temp", memory_gib=0.5, threads=1) as store:
        assert await store.read(count) == kept
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(Unavailable, match="may only be read"):
        async with open_store(file, temp=small_disk / "temp", memory_gib=0.5, threads=1):
            pass
    subprocess.run(["mount", "-o", "remount,rw,size=64m", small_disk], check=True)
    async with open_store(file, temp=small_disk / "temp", memory_gib=0.5, threads=1) as store:
        await store.write(say)
        assert await store.read(count) == kept + 1
