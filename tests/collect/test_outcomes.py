"""What people say of whether a chat solved it, and what is assumed of those who say nothing."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.erase import Wish, erase_rows
from collect.escalations import Wish as Escalating
from collect.escalations import escalate
from collect.formats.answer_rows import Wanted, write_answers
from collect.outcomes import Said, State, count_outcomes, outcome_of, record_outcome
from collect.own_data import own_data
from collect.review_queue import list_queue
from collect.snapshot import TABLES
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import Message, Source

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]
LATER = AT + timedelta(minutes=1)


def say(cursor: Cursor, answer: Message, *, is_resolved: bool, at: datetime = LATER) -> None:
    said = Said(answer.conversation_id, answer.message_id, BOT, is_resolved, at)
    record_outcome(cursor, said=said)


def states(cursor: Cursor, *, hours: float = 1) -> dict[State, int]:
    found = count_outcomes(cursor, bot=BOT, assumed_hours=24, now=AT + timedelta(hours=hours))
    return {state: count for state, count in found.items() if count}


def test_confirmed_assumed_and_reopened_are_told_apart(cursor: Cursor, tell: Tell) -> None:
    [_, answer] = tell()
    assert states(cursor) == {State.OPEN: 1}
    assert states(cursor, hours=25) == {State.ASSUMED: 1}
    say(cursor, answer, is_resolved=False)
    assert states(cursor, hours=25) == {State.NOT_RESOLVED: 1}
    say(cursor, answer, is_resolved=True)
    assert states(cursor, hours=25) == {State.CONFIRMED: 1}
    [_, more] = tell("And now?", after=answer, at=AT + timedelta(hours=1))
    assert states(cursor, hours=48) == {State.REOPENED: 1}
    say(cursor, more, is_resolved=True, at=AT + timedelta(hours=2))
    assert states(cursor, hours=48) == {State.CONFIRMED: 1}


def test_nothing_is_assumed_of_who_asked_for_a_person_or_speaks_through_an_application(
    cursor: Cursor, tell: Tell
) -> None:
    [_, answer] = tell()
    escalate(cursor, wish=Escalating("e1", answer.conversation_id, BOT, answer.message_id, "", AT))
    tell(source=Source.API)
    assert states(cursor, hours=48) == {State.OPEN: 1}


def test_the_newest_word_counts_and_the_same_word_is_there_once(cursor: Cursor, tell: Tell) -> None:
    [_, answer] = tell()
    for is_resolved in (True, True, False):
        # Also where the clock was set back in between.
        say(cursor, answer, is_resolved=is_resolved, at=AT)
    said = outcome_of(cursor, conversation_id=answer.conversation_id, bot=BOT)
    assert said is not None
    assert (said.message_id, said.is_resolved) == (answer.message_id, False)
    assert cursor.execute("select count(*) from outcomes").fetchall() == [(2,)]


def test_nothing_is_said_of_another_conversation(cursor: Cursor, tell: Tell) -> None:
    [_, mine], [_, other] = tell(), tell(owner="browser:ben")
    with pytest.raises(NotFound):
        say(cursor, replace(mine, message_id=other.message_id), is_resolved=True)


def test_it_is_taken_along_exported_and_erased_and_nothing_is_learnt_of_it(
    cursor: Cursor, tell: Tell, tmp_path: Path
) -> None:
    [_, answer] = tell()
    say(cursor, answer, is_resolved=False)
    [own] = own_data(cursor, owner="browser:ada")["outcomes"]
    assert (own["message_id"], own["is_resolved"]) == (answer.message_id, False)
    write_answers(cursor, bot=BOT, form="parquet", wanted=Wanted(), target=tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet")["is_resolved"].to_pylist() == [False]
    assert not any("outcomes" in question for question in TABLES.values())
    [row] = list_queue(cursor, now=AT)
    assert row.reasons == ("said that it did not solve it",)
    erase_rows(cursor, wish=Wish("w", "conversation", answer.conversation_id, "whose it was", "", AT))
    assert cursor.execute("select count(*) from outcomes").fetchall() == [(0,)]
