"""Every turn is looked at once, whenever it came, and what it gives away stays beside its answer."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collect.conversations import record_turn
from collect.signals import found
from collect.signals.detect import RULES, Kind
from collect.signals.found import catch_up, keep_span, listen, look_at_span
from collect.signals.phrases import Phrases, read_phrases
from collect.store import Cursor, Store, open_store
from nightschool.records import Conversation, Finish, Message, Source, new_id

from ..conftest import AT, BOT, AddTurn

Tell = Callable[..., list[Message]]
SIGNALS = "select message_id, kind, evidence from signals order by said_at, message_id, kind"


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    return read_phrases()


def look_through(cursor: Cursor, phrases: Phrases, *, span: int = 3) -> int:
    """Look at all there is; how many parts that took."""
    parts = 0
    while (looked := look_at_span(cursor, phrases=phrases, span=span)) is not None:
        keep_span(cursor, span=looked)
        parts += 1
    return parts


def test_a_signal_is_about_the_answer_before_it(cursor: Cursor, tell: Tell, phrases: Phrases) -> None:
    _, first = tell("Where is my refund?", "In the post.")
    _, second = tell("That is not what I asked", "Sorry.", after=first)
    tell("I want to talk to a human", "You cannot.", after=second)
    tell("Where is my parcel?", "Here.")
    look_through(cursor, phrases)
    assert set(cursor.execute(SIGNALS).fetchall()) == {
        (first.message_id, "correction", "that is not what i asked"),
        (second.message_id, "escalation", "talk to a human"),
    }


def test_each_turn_is_looked_at_once(cursor: Cursor, tell: Tell, phrases: Phrases) -> None:
    _, answer = tell("Where is my refund?", "In the post.")
    for reply in ("That's wrong", "Not what I asked", "Are you even listening?", "That is nonsense", "Stop repeating"):
        _, answer = tell(reply, "Sorry.", after=answer)
    assert look_through(cursor, phrases) == 4
    assert look_through(cursor, phrases) == 0
    before = cursor.execute(SIGNALS).fetchall()
    assert len(before) == 5
    tell("You already said that", "Sorry.", after=answer)
    assert look_through(cursor, phrases) == 1
    assert len(cursor.execute(SIGNALS).fetchall()) == 6


def test_a_part_that_is_kept_twice_is_kept_once(cursor: Cursor, tell: Tell, phrases: Phrases) -> None:
    _, answer = tell("Where is my refund?", "In the post.")
    tell("That's wrong", "Sorry.", after=answer)
    first = look_at_span(cursor, phrases=phrases, span=2)
    assert first is not None
    look_through(cursor, phrases, span=2)
    before = cursor.execute(SIGNALS).fetchall()
    # Killed between look and keep, or two at once.
    keep_span(cursor, span=first)
    assert cursor.execute(SIGNALS).fetchall() == before
    assert look_at_span(cursor, phrases=phrases) is None


@pytest.mark.parametrize(
    ("source", "finish", "content"),
    [(Source.CLIENT, None, "Sure."), (Source.CHAT, Finish.ERROR, "In the"), (Source.CHAT, Finish.PARTIAL, "")],
)
def test_what_is_no_answer_of_ours_carries_none(
    cursor: Cursor, phrases: Phrases, source: Source, finish: Finish | None, content: str
) -> None:
    talk = Conversation("c", BOT, "browser:ada", Source.API, "Hi", AT)
    messages = [
        Message("q", "c", BOT, None, "user", "Where is my refund?", source, AT),
        Message("a", "c", BOT, "q", "assistant", content, source, AT, finish=finish),
        Message("n", "c", BOT, "a", "user", "Where is my refund? That's wrong", Source.API, AT),
    ]
    record_turn(cursor, conversation=talk, messages=messages)
    look_through(cursor, phrases)
    assert cursor.execute(SIGNALS).fetchall() == []


def test_other_rules_find_anew_and_leave_what_the_engine_said(
    cursor: Cursor, tell: Tell, phrases: Phrases, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, answer = tell("Where is my refund?", "In the post.")
    tell("That's wrong", "Sorry.", after=answer)
    look_through(cursor, phrases)
    cursor.execute("update signals set evidence = 'by former rules'")
    cursor.execute(
        "insert into signals values ($id, 'doubt', $answer, 'support', '', 0.5, now())",
        {"id": new_id(), "answer": answer.message_id},
    )
    monkeypatch.setattr(found, "RULES", RULES + 1)
    look_through(cursor, phrases)
    assert {row[1:] for row in cursor.execute(SIGNALS).fetchall()} == {
        ("correction", "that is wrong"),
        (Kind.DOUBT.value, ""),
    }
    assert cursor.execute("select rules from signal_marks").fetchall() == [(RULES + 1,)]


async def test_an_open_record_is_listened_to(store: Store, add_turn: AddTurn, phrases: Phrases) -> None:
    talk, _, said = await add_turn("Where is my refund?", "In the post.")
    listening = asyncio.create_task(listen(store, pause_s=0.01))
    await add_turn("That is wrong!", "Sorry.", conversation=talk, parent=said)
    async with asyncio.timeout(20):
        while not await store.read(rows):
            await asyncio.sleep(0.01)
    listening.cancel()
    await asyncio.wait({listening})
    assert await store.read(rows) == [(said.message_id, "correction", "that is wrong")]


async def test_what_was_said_before_is_found_at_the_next_start(tmp_path: Path, phrases: Phrases) -> None:
    def opened() -> Any:
        return open_store(tmp_path / "r.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1)

    talk = Conversation("c", BOT, "browser:ada", Source.CHAT, "Hi", AT)
    messages = [
        Message("q", "c", BOT, None, "user", "Where is my refund?", Source.CHAT, AT),
        Message("a", "c", BOT, "q", "assistant", "Soon.", Source.CHAT, AT),
        Message("n", "c", BOT, "a", "user", "But where is my refund?", Source.CHAT, AT),
    ]
    async with opened() as store:
        await store.write(partial(record_turn, conversation=talk, messages=messages))
    async with opened() as store:
        await catch_up(store, phrases=phrases)
        await asyncio.gather(catch_up(store, phrases=phrases), catch_up(store, phrases=phrases))
        assert await store.read(rows) == [("a", "rephrase", "")]


def rows(cursor: Cursor) -> list[tuple[Any, ...]]:
    return cursor.execute(SIGNALS).fetchall()
