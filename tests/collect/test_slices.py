"""Imports in slices: the same record as at once, resumed when cut off, and told in the audit."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from collect.conversations import conversation, record_turn
from collect.events import list_events
from collect.formats.read import BadLine, ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported
from collect.slices import Import, import_rows, slice_rows
from collect.store import Cursor, Store
from nightschool.records import BotName, Message

Tell = Callable[..., list[Message]]

WANTED = Import(BotName("support"), None, False, "ada", datetime(2026, 3, 1, 12, tzinfo=UTC))


def line(number: int, messages: int = 4, **more: object) -> bytes:
    said = [{"role": ("user", "assistant")[n % 2], "content": f"{number}.{n}"} for n in range(messages)]
    return json.dumps({"messages": said} | more).encode()


def ignore(bad: BadLine) -> None:
    raise AssertionError(bad)


def count(cursor: Cursor) -> tuple[object, ...]:
    return cursor.execute(
        "select (select count(*) from conversations), count(*), count(distinct position) from messages"
    ).fetchall()[0]


async def actions(store: Store) -> list[str]:
    return sorted(f"{event.action} {event.subject}" for event in await store.read(list_events))


async def test_a_file_of_many_slices_is_imported_whole_and_told_once(store: Store) -> None:
    bad: list[BadLine] = []
    lines = [line(number) for number in range(400)]
    done = await import_rows(
        store, read_conversations([*lines, b"no json", lines[0]]), wanted=WANTED, on_bad=bad.append
    )
    assert done == Imported(400, 1)
    assert [each.line for each in bad] == [401]
    assert await store.read(count) == (400, 1600, 4)
    assert await actions(store) == ["began to import conversations", "imported 400 conversations"]


async def test_an_import_that_was_cut_off_is_completed_by_sending_it_again(store: Store) -> None:
    lines = [line(number) for number in range(400)]

    def cut() -> Iterator[bytes]:
        yield from lines[:300]
        raise OSError("cut off")

    with pytest.raises(OSError, match="cut off"):
        await import_rows(store, read_conversations(cut()), wanted=WANTED, on_bad=ignore)
    assert "began to import conversations" in await actions(store)
    done = await import_rows(store, read_conversations(lines), wanted=WANTED, on_bad=ignore)
    assert done.imported + done.skipped == 400
    assert done.skipped >= 100
    assert await store.read(count) == (400, 1600, 4)


async def test_nothing_new_is_not_told(store: Store) -> None:
    lines = [line(number) for number in range(300)]
    await import_rows(store, read_conversations(lines), wanted=WANTED, on_bad=ignore)
    before = await actions(store)
    assert await import_rows(store, read_conversations(lines), wanted=WANTED, on_bad=ignore) == Imported(0, 300)
    assert await import_rows(store, read_conversations([]), wanted=WANTED, on_bad=ignore) == Imported(0, 0)
    assert await actions(store) == before


async def test_the_first_slices_are_durable_before_the_last_is_read(store: Store) -> None:
    commits: list[int] = []

    def lines() -> Iterator[bytes]:
        for number in range(500):
            yield line(number)
            commits.append(store.commits)

    before = store.commits
    await import_rows(store, read_conversations(lines()), wanted=WANTED, on_bad=ignore)
    assert commits[-1] - before >= 2


def test_branches_of_one_conversation_stay_in_one_slice(cursor: Cursor, tell: Tell) -> None:
    _, said = tell("One?", "1")
    branches = [replace(said, message_id=f"branch {number}", content=str(number)) for number in range(20)]
    record_turn(cursor, conversation=conversation(cursor, said.conversation_id), messages=branches)
    for number in range(12):
        tell(f"{number}?", str(number))
    exported = list(export_conversations(cursor, bot=BotName("support")))
    slices = list(slice_rows(read_conversations(exported), on_bad=ignore, slice_messages=8))
    names = [
        {parsed.kept.conversation_id for parsed in each if isinstance(parsed, ParsedConversation) and parsed.kept}
        for each in slices
    ]
    assert len(slices) > 2
    assert sum(len(each) for each in names) == 13


def test_a_slice_ends_with_a_whole_conversation() -> None:
    slices = slice_rows(read_conversations([line(number) for number in range(5)]), on_bad=ignore, slice_messages=6)
    assert [len(each) for each in slices] == [2, 2, 1]
