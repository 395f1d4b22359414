"""What people hand over to the team is kept once, waits for a look, and is forgotten with its conversation."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from collect import escalations
from collect.erase import Wish as Erasing
from collect.erase import erase_rows
from collect.escalations import (
    Escalation,
    Wish,
    escalate,
    escalation_of,
    finish_escalation,
    list_escalations,
    note_try,
    unsent,
)
from collect.events import list_events
from collect.own_data import own_data
from collect.review_queue import list_queue
from collect.signals import found
from collect.signals.detect import RULES, Kind
from collect.signals.found import Span, keep_span
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import Message

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]


def wish_of(message: Message, *, name: str = "e1", contact: str = "") -> Wish:
    return Wish(name, message.conversation_id, BOT, message.message_id, contact, AT + timedelta(minutes=1))


def test_an_open_one_is_there_once_and_after_it_was_dealt_with_another_may_be_asked_for(
    cursor: Cursor, tell: Tell
) -> None:
    [_, said] = tell()
    first = escalate(cursor, wish=wish_of(said, contact="ada@example.org"))
    again = escalate(cursor, wish=wish_of(said, name="e2"))
    assert again == first == escalation_of(cursor, conversation_id=said.conversation_id)
    done = finish_escalation(cursor, escalation_id="e1", actor="operator:boss", reason="called her", at=AT)
    assert (done.done_at, done.done_by) == (AT, "operator:boss")
    assert finish_escalation(cursor, escalation_id="e1", actor="ben", reason="", at=AT + timedelta(1)) == done
    [event] = list_events(cursor)
    assert (event.actor, event.action, event.subject) == ("operator:boss", "dealt with an escalation", "e1")
    later = replace(wish_of(said, name="e3"), asked_at=AT + timedelta(hours=1))
    assert escalate(cursor, wish=later).wish.escalation_id == "e3"
    assert [one.wish.escalation_id for one in list_escalations(cursor)] == ["e3"]
    assert [one.wish.escalation_id for one in list_escalations(cursor, with_done=True)] == ["e3", "e1"]


def test_what_is_unsent_waits_until_it_is_sent_or_dealt_with(cursor: Cursor, tell: Tell) -> None:
    for name in ("e1", "e2", "e3"):
        escalate(cursor, wish=wish_of(tell()[1], name=name))
    note_try(cursor, escalation_id="e1", taken_by=frozenset({"webhook"}), problem="no disk", sent_at=None)
    note_try(cursor, escalation_id="e2", taken_by=frozenset({"webhook", "e-mail"}), problem="", sent_at=AT)
    finish_escalation(cursor, escalation_id="e3", actor="boss", reason="", at=AT)
    [left] = unsent(cursor)
    assert left == Escalation(left.wish, frozenset({"webhook"}), tries=1, problem="no disk")
    assert left.wish.escalation_id == "e1"


def test_nothing_is_handed_over_of_another_conversation(cursor: Cursor, tell: Tell) -> None:
    [_, mine], [_, other] = tell(), tell(owner="browser:ben")
    with pytest.raises(NotFound):
        escalate(cursor, wish=replace(wish_of(mine), message_id=other.message_id))
    with pytest.raises(NotFound):
        finish_escalation(cursor, escalation_id="none", actor="boss", reason="", at=AT)
    assert list_escalations(cursor, with_done=True) == []


def test_its_answer_waits_for_review_and_other_rules_for_signals_leave_it_there(
    cursor: Cursor, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    [_, said] = tell()
    escalate(cursor, wish=wish_of(said))
    for _ in range(2):
        [row] = list_queue(cursor, now=AT, kind=Kind.ESCALATION)
        assert (row.message_id, row.follow_up) == (said.message_id, "")
        assert row.reasons == ('asked for somebody else ("Talk to a human")',)
        monkeypatch.setattr(found, "RULES", RULES + 1)
        keep_span(cursor, span=Span(0, 1, 1, ()))


def test_it_is_told_to_its_person_alone_and_forgotten_with_the_conversation(cursor: Cursor, tell: Tell) -> None:
    [_, said] = tell()
    escalate(cursor, wish=wish_of(said, contact="ada@example.org"))
    assert own_data(cursor, owner="browser:ada")["escalations"] == [
        {
            "conversation_id": said.conversation_id,
            "contact": "ada@example.org",
            "asked_at": (AT + timedelta(minutes=1)).isoformat(),
            "sent_at": None,
            "done_at": None,
        }
    ]
    assert own_data(cursor, owner="browser:ben")["escalations"] == []
    erase_rows(cursor, wish=Erasing("w", "conversation", said.conversation_id, "whose it was", "", AT))
    assert escalations.unsent(cursor) == []
    assert cursor.execute("select count(*) from signals").fetchall() == [(0,)]
