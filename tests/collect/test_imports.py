"""Imports: both formats, every bad line named, nothing twice, and out again as it came in."""

import asyncio
import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect.formats.read import BadLine, ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported, import_conversations
from collect.snapshot import write_snapshot
from collect.store import Cursor, Store
from nightschool.errors import Busy
from nightschool.files import verify

from .conftest import AT, BOT, AddTurn

TURN = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def line(messages: Any) -> str:
    return json.dumps({"messages": messages})


def good(lines: list[str | bytes]) -> list[ParsedConversation]:
    read = list(read_conversations(lines))
    assert all(isinstance(item, ParsedConversation) for item in read), read
    return [item for item in read if isinstance(item, ParsedConversation)]


@pytest.mark.parametrize(
    "text",
    [
        line(TURN),
        "\ufeff" + line(TURN),
        line(TURN) + "\r\n",
        json.dumps({"prompt": TURN[:1], "completion": TURN[1:]}),
        line([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, TURN[1]]),
        line([{**turn, "weight": None} for turn in TURN]),
    ],
    ids=["openai", "bom", "crlf", "prompt-completion", "text-parts", "null-weights"],
)
def test_formats(text: str) -> None:
    [found] = good([text])
    assert [(m["role"], m["content"]) for m in found.messages] == [("user", "Hi"), ("assistant", "Hello")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON at character 2"),
        ("[1]", "is not a JSON object"),
        ("{}", "has no messages"),
        ('{"prompt": "text", "completion": "text"}', "prompt"),
        (line([TURN[0]]), "end with the assistant"),
        (line(["Hi"]), "messages.0: should be an object"),
        (line([TURN[1], TURN[0]]), "must alternate"),
        (line([*TURN, *TURN[1:]]), "must alternate"),
        (line([{"role": "user", "content": "  "}, TURN[1]]), "user message is empty"),
        (line([{"role": "narrator", "content": "x"}, TURN[1]]), "unknown role 'narrator'"),
        (line([*TURN, {"role": "system", "content": "x"}]), "may only come first"),
        (line([TURN[0], TURN[1] | {"weight": 0}]), "nothing to learn"),
        (line([TURN[0], TURN[1] | {"weight": 7}]), "weight"),
        (line([TURN[0], {"role": "assistant", "content": "\ud800"}]), "half of a surrogate pair"),
        (line([TURN[0], {"role": "assistant", "content": None}]), "content"),
        (b"\xff\xfe{}", "is not UTF-8"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_bad_line_is_named_and_stops_nothing(text: str | bytes, reason: str) -> None:
    first, bad, last = read_conversations([line(TURN), text, line(TURN)])
    assert isinstance(bad, BadLine)
    assert bad.line == 2
    assert reason in bad.reason
    assert isinstance(first, ParsedConversation)
    assert isinstance(last, ParsedConversation)


def test_blank_lines_are_passed_over_but_counted() -> None:
    assert [item.line for item in read_conversations(["", line(TURN), "  \n", "{"])] == [2, 4]


@given(st.text())
def test_no_line_raises(text: str) -> None:
    list(read_conversations([text]))


async def test_nothing_is_imported_twice(store: Store) -> None:
    other = [{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "So long"}]
    take_in = partial(import_conversations, bot=BOT, is_held_out=None, at=AT)
    both = good([line(TURN), line(other), line(TURN)])
    assert await store.write(partial(take_in, conversations=both)) == Imported(2, 1)
    assert await store.write(partial(take_in, conversations=both)) == Imported(0, 3)
    assert len(await store.read(lambda cursor: list(export_conversations(cursor, bot=BOT)))) == 2


async def test_what_goes_out_can_come_in_again(store: Store, add_turn: AddTurn) -> None:
    weighted = [{"role": "system", "content": "Be kind."}, *TURN, TURN[0], TURN[1] | {"weight": 0}]
    await store.write(
        partial(import_conversations, bot=BOT, conversations=good([line(weighted)]), is_held_out=None, at=AT)
    )
    talk, asked, _ = await add_turn("What?", "This.")
    await add_turn("And?", "That.", conversation=talk, parent=asked)
    lines = await store.read(lambda cursor: list(export_conversations(cursor, bot=BOT)))
    exported = [json.loads(text)["messages"] for text in lines]
    assert weighted in exported
    assert [[m["content"] for m in messages] for messages in exported if messages[0]["content"] == "What?"] == [
        ["What?", "This."],
        ["What?", "And?", "That."],
    ]


async def test_a_snapshot_is_whole_and_says_what_was_held_out(store: Store, tmp_path: Path) -> None:
    take_in = partial(import_conversations, bot=BOT, at=AT)
    other = [{"role": "user", "content": "Bye"}, {"role": "assistant", "content": "So long"}]
    await store.write(partial(take_in, conversations=good([line(TURN)]), is_held_out=False))
    await store.write(partial(take_in, conversations=good([line(other)]), is_held_out=True))
    for name in ("one", "two"):
        await store.read(partial(write_snapshot, bot=BOT, folder=tmp_path / name, at=AT))
    assert verify(tmp_path / "one").content_hash == verify(tmp_path / "two").content_hash
    rows = pq.read_table(tmp_path / "one" / "conversations.parquet").to_pylist()
    assert sorted(row["is_held_out"] for row in rows) == [False, True]
    messages = pq.read_table(tmp_path / "one" / "messages.parquet")
    assert messages.num_rows == 4
    assert set(messages.column_names) >= {"message_id", "parent_id", "role", "content", "weight", "version"}


async def test_an_import_that_is_done_again_beside_a_refused_change_loses_nothing(store: Store) -> None:
    def refuse(_: Cursor) -> None:
        raise Busy("was refused", subject="change", remedy="None.")

    parsed = good([line(TURN)])
    imported = store.write(partial(import_conversations, bot=BOT, conversations=parsed, is_held_out=None, at=AT))
    others = [store.write(refuse) for _ in range(8)]
    told = await asyncio.gather(*others[:4], imported, *others[4:], return_exceptions=True)
    assert told[4] == Imported(1, 0)
    assert sum(isinstance(answer, Busy) for answer in told) == 8
    again = partial(import_conversations, bot=BOT, conversations=parsed, is_held_out=None, at=AT)
    assert await store.write(again) == Imported(0, 1)
