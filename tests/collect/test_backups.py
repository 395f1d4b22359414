"""Backups and what brings them back: kept only when read back, few, and in place of the record in one step."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collect.backups import Backup, Reason, draft_backup, keep_backup, list_backups, scheduled_since
from collect.check import examine_in_child, examine_tables
from collect.integrity import log_of, mark_of
from collect.migrations.runner import MIGRATIONS, migrate
from collect.offline import back_up, bring_back, look_over
from collect.opening import connect_record
from collect.replace import draft_of, finish_replacing, replace_record
from collect.store import Store, open_store
from nightschool.errors import NightschoolError, NotFound, RecordError, Unavailable

from .conftest import AddTurn

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def leave(_record: Path) -> None:
    """Nothing was erased since."""


async def take(store: Store, folder: Path, *, reason: Reason = "asked", at: datetime = AT, keep: int = 3) -> Backup:
    file = folder / "record.duckdb"
    draft = await store.read(partial(draft_backup, file=file, temp=folder / "temp", reason=reason, at=at))
    return keep_backup(draft, folder / "backups", keep=keep)


async def messages_in(folder: Path) -> int:
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        return await store.read(lambda c: int(c.execute("select count(*) from messages").fetchone()[0]))  # type: ignore[index]


async def test_a_backup_is_of_its_moment_and_few_are_kept(store: Store, add_turn: AddTurn, tmp_path: Path) -> None:
    await add_turn("Where?", "Here.")
    first = await take(store, tmp_path)
    await add_turn("And now?", "There.")
    assert (first.messages, examine_in_child(first.folder).messages) == (2, 2)
    later = [await take(store, tmp_path, at=AT + timedelta(hours=hours), keep=2) for hours in (1, 2)]
    nightly = await take(store, tmp_path, reason="scheduled", at=AT + timedelta(hours=3), keep=2)
    assert [backup.folder for backup in list_backups(tmp_path / "backups")] == [
        nightly.folder, later[1].folder, later[0].folder,
    ]  # fmt: skip
    assert await store.read(partial(scheduled_since, folder=tmp_path / "backups")) == nightly.taken_at
    assert list((tmp_path / "temp").glob("backup-*")) == []


async def test_a_backup_that_cannot_be_read_back_is_not_kept(store: Store, add_turn: AddTurn, tmp_path: Path) -> None:
    await add_turn("Where?", "Here.")
    file = tmp_path / "record.duckdb"
    draft = await store.read(partial(draft_backup, file=file, temp=tmp_path / "temp", reason="asked", at=AT))
    (draft / "messages.parquet").write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(RecordError, match="differs from its manifest"):
        keep_backup(draft, tmp_path / "backups", keep=3)
    assert (list_backups(tmp_path / "backups"), draft.exists()) == ([], False)


async def test_no_backup_fills_the_disk(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collect.backups.free_bytes", lambda _: 1_000_000)
    with pytest.raises(Unavailable, match="0 MiB free"):
        await take(store, tmp_path)


async def test_a_record_is_backed_up_before_its_schema_changes(tmp_path: Path) -> None:
    file, backups = tmp_path / "record.duckdb", tmp_path / "backups"
    connection = connect_record(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1)
    migrate(connection, migrations=MIGRATIONS[:-1])
    connection.close()
    for _ in range(2):
        async with open_store(file, temp=tmp_path / "temp", memory_gib=0.5, threads=1, backups=backups):
            pass
        [made] = list_backups(backups)
        assert made.reason == "upgrade"


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a record with two messages that were backed up, and two that came afterwards."""
    folder = tmp_path_factory.mktemp("backed-up")

    async def live() -> None:
        async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
            await store.write(partial(add_two, name="a"))
            await take(store, folder)
            await store.write(partial(add_two, name="b"))

    asyncio.run(live())
    return folder


@pytest.fixture
def backup(backed_up: Path, tmp_path: Path) -> Path:
    """That backup, the record beside it in `tmp_path`."""
    shutil.copytree(backed_up, tmp_path, dirs_exist_ok=True)
    return list_backups(tmp_path / "backups")[0].folder


def add_two(cursor: object, name: str) -> None:
    cursor.execute(  # type: ignore[attr-defined]
        "insert into conversations (conversation_id, bot, owner, source, title, created_at)"
        " values ($name, 'support', 'browser:ada', 'chat', 'Hello', now());",
        {"name": name},
    )
    for role in ("user", "assistant"):
        cursor.execute(  # type: ignore[attr-defined]
            "insert into messages (message_id, conversation_id, bot, role, content, source, created_at, adapter_hash,"
            " prompt_tokens, completion_tokens, sampling_json, position) values ($id, $name, 'support', $role, 'Hi',"
            " 'chat', now(), '', 0, 0, '{}', nextval('message_positions'))",
            {"id": f"{name}-{role}", "name": name, "role": role},
        )


def restore(folder: Path, backup: Path) -> Path:
    done = bring_back(
        backup, folder / "record.duckdb", temp=folder / "temp", replaced=folder / "replaced", at=AT, settle=leave
    )
    assert done.aside is not None
    return done.aside


async def test_a_restored_record_holds_what_was_taken_and_the_other_is_kept(tmp_path: Path, backup: Path) -> None:
    aside = restore(tmp_path, backup)
    assert await messages_in(tmp_path) == 2
    (tmp_path / "record.duckdb").unlink()
    for path in aside.iterdir():
        path.replace(tmp_path / path.name)
    assert await messages_in(tmp_path) == 4


HARM: dict[str, Callable[[Path], object]] = {
    "damaged": lambda file: file.write_bytes(b"no record at all" * 4_096),
    "another's log": lambda file: log_of(file).write_bytes(b"of somebody else" * 4_096),
    "gone": lambda file: file.unlink(),
}


@pytest.mark.parametrize("harm", HARM)
async def test_a_backup_takes_the_place_of_a_record_that_does_not_open(tmp_path: Path, backup: Path, harm: str) -> None:
    HARM[harm](tmp_path / "record.duckdb")
    with pytest.raises(NightschoolError):
        await messages_in(tmp_path)
    bring_back(
        backup, tmp_path / "record.duckdb", temp=tmp_path / "temp", replaced=tmp_path / "replaced", at=AT, settle=leave
    )
    assert await messages_in(tmp_path) == 2


class Killed(BaseException):
    """As kill -9 would: nothing is cleaned up."""


@pytest.mark.parametrize("steps", range(8))
def test_killed_at_any_step_either_record_stands(tmp_path: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change of a name is a step; the next start goes on behind it."""
    file, aside = tmp_path / "record.duckdb", tmp_path / "replaced" / "now"
    old = {file: "old", log_of(file): "old log", mark_of(file): "old mark"}
    for path, content in {**old, draft_of(file): "new"}.items():
        path.write_text(content)
    left = steps

    def count_down(real: Callable[..., object]) -> Callable[..., object]:
        def step(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patched:
        for owner, name in ((Path, "rename"), (os, "replace"), (Path, "unlink")):
            patched.setattr(owner, name, count_down(getattr(owner, name)))
        with suppress(Killed):
            replace_record(file, aside=aside)
    was_begun = finish_replacing(file)
    if steps == 0:
        assert not was_begun
        assert {path: path.read_text() for path in old} == old
    else:
        assert (file.read_text(), log_of(file).exists(), mark_of(file).exists()) == ("new", False, False)
        assert {path: (aside / path.name).read_text() for path in old} == old
    assert not finish_replacing(file)


def test_what_is_no_backup_leaves_the_record_alone(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    (tmp_path / "record.duckdb").write_text("something")
    with pytest.raises(NightschoolError, match="has no manifest"):
        restore(tmp_path, tmp_path / "nothing")
    assert (tmp_path / "record.duckdb").read_text() == "something"
    assert not draft_of(tmp_path / "record.duckdb").exists()


def test_without_a_server_the_files_are_backed_up_with_their_log_and_left_as_they_are(tmp_path: Path) -> None:
    file = tmp_path / "record.duckdb"
    script = (
        "import asyncio, os, sys\nfrom pathlib import Path\nfrom collect.store import open_store\n"
        "from tests.collect.test_backups import add_two\n"
        "async def main():\n"
        "    file = Path(sys.argv[1])\n"
        "    async with open_store(file, temp=file.parent / 'temp', memory_gib=0.5, threads=1) as store:\n"
        "        await store.write(lambda c: add_two(c, 'a'))\n"
        "        os._exit(9)\n"
        "asyncio.run(main())\n"
    )
    assert subprocess.run([sys.executable, "-c", script, str(file)], cwd=ROOT, check=False).returncode == 9
    before = [file.read_bytes(), log_of(file).read_bytes(), mark_of(file).read_bytes()]
    made = back_up(file, tmp_path / "backups", temp=tmp_path / "temp", keep=3, at=AT)
    found = look_over(file)
    assert (made.messages, found.messages, found.faults) == (2, 2, ())
    assert [file.read_bytes(), log_of(file).read_bytes(), mark_of(file).read_bytes()] == before


def test_where_there_is_no_record_there_is_nothing_to_do(tmp_path: Path) -> None:
    file = tmp_path / "record.duckdb"
    with pytest.raises(NotFound):
        look_over(file)
    with pytest.raises(NotFound):
        back_up(file, tmp_path / "backups", temp=tmp_path / "temp", keep=3, at=AT)
    assert not finish_replacing(file)


async def test_what_belongs_to_nothing_is_told(store: Store, add_turn: AddTurn) -> None:
    await add_turn("Where?", "Here.")
    assert (await store.read(examine_tables)).faults == ()
    await store.write(lambda c: c.execute("delete from conversations") and None)
    assert (await store.read(examine_tables)).faults == ("2 messages of no conversation",)


def test_a_reader_that_breaks_down_is_told(tmp_path: Path) -> None:
    (tmp_path / "record.duckdb").write_bytes(b"SQLite format 3\0" * 1_000)
    with pytest.raises(NightschoolError, match="is damaged"):
        examine_in_child(tmp_path / "record.duckdb")


def test_what_takes_too_long_to_read_through_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"was not read through within 0\.001 s"):
        examine_in_child(tmp_path, timeout_s=0.001)
