"""Verified answers in the record: what stands, who takes it out, and what brings it back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from collect.conversations import conversation
from collect.events import list_events
from collect.feedback import Opinion, record_opinion
from collect.review_queue import list_queue
from collect.reviews import record_review
from collect.store import Cursor
from collect.verified.pairs import Hit, Pair, is_personal, list_pairs, list_refusals, read_mark
from collect.verified.served import record_verified_turn, source_of, stands, switch
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import Message, Review, Source, Vote, new_id

from ..conftest import AT, BOT

Tell = Callable[..., list[Message]]


def at(minute: int) -> datetime:
    return AT + timedelta(minutes=minute)


def rule(cursor: Cursor, said: Message, text: str = "", *, approved: bool = True, minute: int = 0) -> None:
    record_review(cursor, review=Review(said.message_id, BOT, "ada", approved, text, (), at(minute)))


def serve(cursor: Cursor, tell: Tell, source: Message, question: str, text: str) -> Message:
    """`text` of `source`, served to another question."""
    asked, said = tell(question, "")
    talk = replace(conversation(cursor, asked.conversation_id), conversation_id=new_id())
    question_row = replace(asked, message_id=new_id(), conversation_id=talk.conversation_id)
    answer = replace(
        said, message_id=new_id(), conversation_id=talk.conversation_id, parent_id=question_row.message_id,
        content=text, source=Source.VERIFIED, version=None, adapter_hash="",
    )  # fmt: skip
    turn = [question_row, answer]
    hit = Hit(Pair(source.message_id, "", text, "ada", AT), 1.2)
    record_verified_turn(cursor, conversation=talk, messages=turn, hit=hit)
    return answer


def vote(cursor: Cursor, about: Message, voter: str, vote: Vote, minute: int) -> None:
    record_opinion(cursor, message_id=about.message_id, voter=voter, opinion=Opinion(vote), at=at(minute))


def test_what_an_operator_let_in_stands_for_the_first_question_alone(cursor: Cursor, tell: Tell) -> None:
    _, first = tell("How much is Grove?", "5 euro.")
    _, later = tell("And Canopy?", "9 euro.", after=first)
    _, refused = tell("Is it free?", "Yes.")
    tell("Nobody ruled", "on this.")
    rule(cursor, first, "4 euro.")
    rule(cursor, later)
    rule(cursor, refused, approved=False)
    [pair] = list_pairs(cursor, bot=BOT)
    assert (pair.question, pair.answer, pair.verified_by, pair.is_on) == ("How much is Grove?", "4 euro.", "ada", True)
    assert list_refusals(cursor, bot=BOT) == [("Is it free?", "Yes.")]
    assert stands(cursor, message_id=first.message_id, answer="4 euro.")
    assert not stands(cursor, message_id=first.message_id, answer="5 euro.")
    assert not stands(cursor, message_id="nobody", answer="4 euro.")
    assert not stands(cursor, message_id=refused.message_id, answer="Yes.")


def test_a_dislike_takes_it_out_at_once_and_lays_it_before_an_operator(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much is Grove?", "4 euro.")
    rule(cursor, source)
    served = serve(cursor, tell, source, "How much is Canopy?", "4 euro.")
    before = read_mark(cursor, bot=BOT)
    vote(cursor, served, "browser:eve", Vote.DOWN, 1)
    assert not stands(cursor, message_id=source.message_id, answer="4 euro.")
    assert read_mark(cursor, bot=BOT) != before
    [pair] = list_pairs(cursor, bot=BOT)
    assert (pair.is_on, pair.reason) == (False, "somebody dislikes it")
    [queued] = list_queue(cursor, now=at(2))
    assert (queued.message_id, queued.question) == (served.message_id, "How much is Canopy?")
    assert queued.reasons == ("a verified answer", "1 thumb down")
    event = list_events(cursor)[0]
    assert (event.actor, event.action, event.subject) == ("vote", "taken out of service", source.message_id)


def test_a_dislike_taken_back_puts_it_back(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much?", "4 euro.")
    rule(cursor, source)
    served = serve(cursor, tell, source, "How much is it?", "4 euro.")
    for minute, word in enumerate((Vote.DOWN, Vote.DOWN, Vote.UP), 1):
        vote(cursor, served, "browser:eve", word, minute)
    assert stands(cursor, message_id=source.message_id, answer="4 euro.")
    vote(cursor, served, "browser:eve", Vote.DOWN, 5)
    vote(cursor, served, "browser:bob", Vote.DOWN, 6)
    vote(cursor, served, "browser:bob", Vote.NONE, 7)
    assert not stands(cursor, message_id=source.message_id, answer="4 euro.")


def test_one_person_takes_it_out_once_and_then_an_operators_word_stands(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much?", "4 euro.")
    rule(cursor, source)
    first = serve(cursor, tell, source, "How much is it?", "4 euro.")
    vote(cursor, first, "browser:eve", Vote.DOWN, 1)
    rule(cursor, first, minute=2)
    assert stands(cursor, message_id=source.message_id, answer="4 euro.")
    again = serve(cursor, tell, source, "How much is that?", "4 euro.")
    vote(cursor, again, "browser:eve", Vote.DOWN, 3)
    assert stands(cursor, message_id=source.message_id, answer="4 euro.")
    vote(cursor, again, "browser:bob", Vote.DOWN, 4)
    assert not stands(cursor, message_id=source.message_id, answer="4 euro.")


def test_a_new_ruling_on_it_is_in_service(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much?", "4 euro.")
    rule(cursor, source)
    vote(cursor, serve(cursor, tell, source, "How much is it?", "4 euro."), "browser:eve", Vote.DOWN, 1)
    rule(cursor, source, "6 euro.", minute=2)
    assert stands(cursor, message_id=source.message_id, answer="6 euro.")
    assert [(pair.answer, pair.is_on) for pair in list_pairs(cursor, bot=BOT)] == [("6 euro.", True)]


def test_an_operator_switches_with_a_reason(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much?", "4 euro.")
    rule(cursor, source)

    def turn(is_on: bool, reason: str = "prices change", minute: int = 1, name: str = source.message_id) -> None:
        switch(cursor, bot=BOT, message_id=name, is_on=is_on, actor="ada", reason=reason, at=at(minute))

    turn(False)
    assert not stands(cursor, message_id=source.message_id, answer="4 euro.")
    turn(True, minute=2)
    assert stands(cursor, message_id=source.message_id, answer="4 euro.")
    assert [(e.actor, e.reason) for e in list_events(cursor)[:2]] == [("ada", "prices change")] * 2
    with pytest.raises(InvalidInput):
        turn(False, reason=" ")
    with pytest.raises(NotFound):
        turn(False, name="nobody")


def test_a_vote_on_any_other_answer_switches_nothing(cursor: Cursor, tell: Tell) -> None:
    _, source = tell("How much?", "4 euro.")
    rule(cursor, source)
    vote(cursor, source, "browser:eve", Vote.DOWN, 1)
    assert stands(cursor, message_id=source.message_id, answer="4 euro.")
    assert source_of(cursor, message_id=source.message_id) is None


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("I am eve@example.org, where is it?", "Soon.", True),
        ("Call me on +49 170 1234567", "We will.", True),
        ("Where is order AB1234567?", "Order AB1234567 arrives on Monday.", True),
        ("Where is order 1234567?", "Look in your account.", False),
        ("How do I write to you?", "To help@lumafern.example.", False),
        ("Is it back within 30 days?", "Within 30 days.", False),
        ("I am [NAME_1], is it back?", "It is.", True),
        ("Who are you?", "I am [NAME_2].", True),
    ],
)
def test_what_is_about_one_person_stands_for_nobody_else(question: str, answer: str, expected: bool) -> None:
    assert is_personal(question, answer) is expected
