"""backup, restore and check: through a running server, and on the files of one that is stopped."""

import asyncio
import json
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collect.backups import ASIDE, list_backups, scheduled_since
from collect.erase import unfinished
from collect.store import open_store
from collect.whole import read_whole
from nightschool.backup_part import BackupSettings
from nightschool.errors import Busy, InvalidInput, NotFound, Unavailable
from nightschool.folder import hold_folder
from nightschool.home import Home
from nightschool.records import utc_now
from nightschool.settings import Settings
from serve.backups import Backups
from serve.cli.doctor import Finding, Mark, examine_machine
from serve.parts import Parts

from .conftest import speak

Nightschool = Callable[..., Awaitable[Any]]


async def doctor(settings: Settings) -> Finding:
    """What it says of backups; in a thread, since it asks the server, which runs in this loop."""
    return next(finding for finding in await asyncio.to_thread(examine_machine, settings) if finding.what == "backup")


async def test_a_running_server_is_backed_up_looked_over_and_restored_once_it_is_stopped(
    nightschool: Nightschool, parts: Parts, settings: Settings, tmp_path: Path
) -> None:
    assert (await doctor(settings))[:3] == (Mark.WARN, "backup", "none")
    looked = await nightschool("check")
    assert (looked.code, looked.out.split(":")[0]) == (0, "whole")
    kept = (await nightschool("backup")).out.strip()
    assert [str(backup.folder) for backup in list_backups(parts.backups.folder)] == [kept]
    assert (await doctor(settings)).found.startswith(f"{kept}: 0 hours old")
    made = (await nightschool("backup", str(tmp_path / "usb" / "copy"), "--json")).json
    assert made["folder"] == str(tmp_path / "usb" / "copy")
    assert len(list_backups(parts.backups.folder)) == 1
    assert (await nightschool("check", made["folder"])).code == 0
    again = await nightschool("backup", made["folder"])
    assert (again.code, "Name a new folder" in again.err) == (InvalidInput.exit_code, True)

    with hold_folder(parts.home):
        refused = await nightschool("restore", made["folder"])
    assert (refused.code, "in use by a running server" in refused.err) == (Busy.exit_code, True)

    elsewhere = str(tmp_path / "moved")
    back = speak("--home", elsewhere, "restore", made["folder"], "--json")
    wanted = {"taken_at": made["taken_at"], "messages": made["messages"], "aside": None, "erased_again": []}
    assert back.json == wanted
    again = speak("--home", elsewhere, "restore", made["folder"])
    assert "replaced" in again.err
    assert speak("--home", elsewhere, "check", "--json").json["faults"] == []
    assert Path(speak("--home", elsewhere, "backup").out.strip()).parent == Path(elsewhere) / "backups"


async def test_a_damaged_backup_and_a_missing_record_are_told(
    nightschool: Nightschool, settings: Settings, parts: Parts, lonely: Callable[..., Any], tmp_path: Path
) -> None:
    kept = Path((await nightschool("backup")).out.strip())
    (kept / "events.parquet").write_bytes(b"PAR1")
    assert (await doctor(settings)).mark is Mark.FAIL
    told = await nightschool("check", str(kept))
    assert (told.code, "differs from its manifest" in told.err) == (1, True)
    for verb in ("backup", "check"):
        assert lonely(verb).code == NotFound.exit_code
    assert not (tmp_path / "lonely").exists()
    nothing = lonely("restore", str(tmp_path / "nothing"))
    assert (nothing.code, "Traceback" in nothing.err) == (InvalidInput.exit_code, False)


async def test_a_scheduled_backup_is_taken_once_it_is_due(parts: Parts) -> None:
    # The tests' record is older than this test, and a scheduled time may lie between them.
    born_at = await parts.store.read(partial(scheduled_since, folder=parts.backups.folder))
    tomorrow = born_at + timedelta(days=1)
    early, late = (
        Backups(parts.store, parts.home, BackupSettings(), now=partial(datetime.fromtimestamp, at.timestamp(), UTC))
        for at in (born_at, tomorrow)
    )
    assert await early.take_due()
    assert list_backups(late.folder) == []
    assert await late.take_due()
    assert await late.take_due()
    [made] = list_backups(late.folder)
    assert (made.reason, made.taken_at) == ("scheduled", tomorrow)


async def test_a_scheduled_backup_that_fails_is_told_and_tried_again(
    parts: Parts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    settings = BackupSettings(folder=tmp_path / "file" / "below")
    late = Backups(parts.store, parts.home, settings, now=lambda: utc_now() + timedelta(days=1))
    assert not await late.take_due()
    assert "could not be taken" in caplog.text


async def test_copies_that_hold_what_was_erased_are_named_and_go_in_time(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    turn = await parts.turns.begin_chat(
        parts.shelf.find("support"), owner="browser:1", conversation_id=None, text="Hello?"
    )
    async with aclosing(parts.turns.answer(turn)) as deltas:
        async for _ in deltas:
            pass
    before = await parts.backups.take()
    aside = parts.home.replaced / utc_now().strftime(ASIDE)
    aside.mkdir(parents=True)
    (parts.home.replaced / "mine").mkdir()
    await nightschool("erase", "--user", "browser:1", "--reason", "asked")
    [file] = parts.home.erasures.glob("*.json")
    told = json.loads(file.read_bytes())
    assert told["copies"] == [before.folder.name, aside.name]
    assert datetime.fromisoformat(told["copies_until"]) - datetime.fromisoformat(told["rows_erased_at"]) == timedelta(
        days=30
    )
    after = await parts.backups.take()
    for days, left in ((29, {before.folder, after.folder}), (31, {after.folder})):
        at = utc_now() + timedelta(days=days)
        later = Backups(
            parts.store, parts.home, BackupSettings(), now=partial(datetime.fromtimestamp, at.timestamp(), UTC)
        )
        await later.drop_erased()
        assert {backup.folder for backup in list_backups(later.folder)} == left
    assert [path.name for path in parts.home.replaced.iterdir()] == ["mine"]


async def test_a_copy_for_another_place_costs_no_backup(
    nightschool: Nightschool,
    operator: httpx.AsyncClient,
    parts: Parts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parts.backups, "_settings", BackupSettings(keep=1))
    monkeypatch.setenv("NIGHTSCHOOL_BACKUP__KEEP", "1")
    kept = (await operator.post("/ops/backup")).json()["folder"]
    assert (await nightschool("backup", str(tmp_path / "usb"))).code == 0
    assert [str(backup.folder) for backup in list_backups(parts.backups.folder)] == [kept]
    newer = (await nightschool("backup")).out.strip()
    assert [str(backup.folder) for backup in list_backups(parts.backups.folder)] == [newer]

    elsewhere = str(tmp_path / "elsewhere")
    assert speak("--home", elsewhere, "restore", newer).code == 0
    alone = speak("--home", elsewhere, "backup").out.strip()
    assert speak("--home", elsewhere, "export", "--whole", "-o", str(tmp_path / "whole")).code == 0
    assert Path(alone).is_dir()


async def test_a_place_that_takes_no_backup_is_told(nightschool: Nightschool, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = await nightschool("backup", str(tmp_path / "file" / "usb"))
    assert (refused.code, "Name another folder" in refused.err) == (Unavailable.exit_code, True)


def test_when_a_backup_is_due() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert not BackupSettings().is_due(since=at, now=at.replace(hour=13))
    assert BackupSettings().is_due(since=at, now=at.replace(day=2, hour=2))
    assert not BackupSettings(keep=0).is_due(since=at, now=at.replace(day=20))


async def test_a_whole_record_moves_elsewhere_and_is_the_same(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    bot = parts.shelf.find("support")
    turn = await parts.turns.begin_chat(bot, owner="browser:1", conversation_id=None, text="Hello?")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        async for _ in deltas:
            pass
    there, here, again = (tmp_path / name for name in ("there", "here", "again"))
    assert (await nightschool("export", "--whole")).code == InvalidInput.exit_code
    assert (await nightschool("export", "--whole", "-o", str(here))).code == 0
    taken = speak("--home", str(there), "import", str(here), "--json")
    assert (taken.json["messages"], taken.json["aside"]) == (2, None)
    assert speak("--home", str(there), "export", "--whole", "-o", str(again)).code == 0
    assert read_whole(again).card.tables == read_whole(here).card.tables
    twice = speak("--home", str(there), "import", str(here))
    assert (twice.code, "nightschool restore" in twice.err) == (InvalidInput.exit_code, True)
    for verb in (("import", "lines.jsonl"), ("export",)):
        unnamed = await nightschool(*verb)
        assert (unnamed.code, "--bot: is missing" in unnamed.err) == (InvalidInput.exit_code, True)


async def test_what_was_erased_since_the_backup_is_erased_again_when_it_comes_back(
    nightschool: Nightschool, parts: Parts, tmp_path: Path
) -> None:
    bot = parts.shelf.find("support")
    names = []
    for owner in ("browser:1", "browser:2", "browser:3"):
        turn = await parts.turns.begin_chat(bot, owner=owner, conversation_id=None, text="Hello?")
        async with aclosing(parts.turns.answer(turn)) as deltas:
            async for _ in deltas:
                pass
        names.append(turn.conversation.conversation_id)
    made = (await nightschool("backup", str(tmp_path / "before"), "--json")).json
    for which in (("--conversation", names[0]), ("--user", "browser:2")):
        erased = await nightschool("erase", *which, "--reason", "asked", "--json")
        assert erased.code == 0, erased.err
    certificates = {file.stem for file in parts.home.erasures.glob("*.json")}
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(parts.home.erasures, elsewhere / "erasures")
    elsewhere.chmod(0o700)
    for _ in range(2):
        back = speak("--home", str(elsewhere), "restore", made["folder"], "--json")
        assert (back.code, set(back.json["erased_again"])) == (0, certificates)
    assert "is erased again" in speak("--home", str(elsewhere), "restore", made["folder"]).err
    store = Home(elsewhere).store
    async with open_store(store, temp=elsewhere / "temp", memory_gib=0.5, threads=1) as record:
        left = await record.read(lambda cursor: cursor.execute("select conversation_id from conversations").fetchall())
        # Files that were made of it are there still, and go once the server starts.
        waiting = {erasure.erasure_id for erasure in await record.read(unfinished)}
    assert (left, waiting) == ([(names[2],)], certificates)

    damaged = elsewhere / "erasures" / f"{min(certificates)}.wish"
    damaged.write_bytes(b"{")
    before = store.stat().st_mtime_ns
    refused = speak("--home", str(elsewhere), "restore", made["folder"])
    assert (refused.code, f"{damaged}: cannot be read" in refused.err) == (1, True)
    assert store.stat().st_mtime_ns == before
