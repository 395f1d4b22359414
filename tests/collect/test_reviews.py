"""Operators' words: the exact text that was approved, every earlier word kept, and who said it in the audit."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from collect.conversations import conversation, record_turn
from collect.events import list_events
from collect.reviews import record_review, review_of
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Finish, Message, Review

from .conftest import AT, BOT

Tell = Callable[..., list[Message]]


def word(answer: Message, *, approved: bool = True, corrected: str = "", by: str = "ada", minute: int = 0) -> Review:
    return Review(answer.message_id, BOT, by, approved, corrected, (), AT + timedelta(minutes=minute))


def cut_off(cursor: Cursor, said: Message, content: str, finish: Finish) -> Message:
    """A sibling of `said` that ended otherwise."""
    torso = replace(said, message_id="torso", content=content, finish=finish)
    record_turn(cursor, conversation=conversation(cursor, said.conversation_id), messages=[torso])
    return torso


def earlier(cursor: Cursor) -> list[tuple[str, bool, str]]:
    """What was ruled before the word that stands, oldest first."""
    asked = "select reviewer, approved, corrected_answer from review_history order by reviewed_at"
    return cursor.execute(asked).fetchall()


def actions(cursor: Cursor) -> list[tuple[str, str, str]]:
    return [(event.actor, event.action, event.subject) for event in reversed(list_events(cursor))]


def test_an_approval_stores_the_very_text_that_was_approved(cursor: Cursor, tell: Tell) -> None:
    _, said = tell("Where?", "There.\n")
    assert record_review(cursor, review=word(said)).corrected_answer == "There.\n"
    assert review_of(cursor, message_id=said.message_id) == word(said, corrected="There.\n")


def test_a_later_word_keeps_the_earlier_one_and_both_stand_in_the_audit(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    record_review(cursor, review=word(said, corrected="A careful correction."))
    record_review(cursor, review=word(said, approved=False, by="bob", minute=1))
    third = record_review(cursor, review=word(said, by="eve", minute=2))
    assert review_of(cursor, message_id=said.message_id) == third
    assert earlier(cursor) == [("ada", True, "A careful correction."), ("bob", False, "")]
    assert actions(cursor) == [
        ("ada", "corrected an answer", said.message_id),
        ("bob", "turned an answer down", said.message_id),
        ("eve", "approved an answer", said.message_id),
    ]


def test_the_same_word_again_is_one_word(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    first = record_review(cursor, review=word(said))
    assert record_review(cursor, review=word(said, corrected=said.content, minute=9)) == first
    assert earlier(cursor) == []
    assert len(actions(cursor)) == 1


def test_the_last_word_counts_though_the_clock_was_set_back(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    record_review(cursor, review=word(said, minute=9))
    record_review(cursor, review=word(said, approved=False))
    stands = review_of(cursor, message_id=said.message_id)
    assert stands == word(said, approved=False, minute=9)


@pytest.mark.parametrize(
    ("content", "finish", "problem"),
    [
        ("Within", Finish.LENGTH, "cut off"),
        ("Within", Finish.PARTIAL, "cut off"),
        ("Within", Finish.ERROR, "cut off"),
        ("", Finish.ERROR, "empty"),
        ("  ", Finish.STOP, "empty"),
    ],
)
def test_what_is_no_whole_answer_can_be_corrected_and_not_approved(
    cursor: Cursor, tell: Tell, content: str, finish: Finish, problem: str
) -> None:
    _, said = tell()
    torso = cut_off(cursor, said, content, finish)
    for same in ("", content):
        with pytest.raises(InvalidInput, match=problem):
            record_review(cursor, review=word(torso, corrected=same))
    assert actions(cursor) == []
    assert record_review(cursor, review=word(torso, corrected="Within 30 days.")).corrected_answer == "Within 30 days."
    assert record_review(cursor, review=word(torso, approved=False, minute=1)).corrected_answer == ""


def test_only_answers_of_the_bot_are_reviewed(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    with pytest.raises(InvalidInput, match="not an answer"):
        record_review(cursor, review=word(asked))
    for changed in (replace(word(said), bot=BotName("reviewer")), replace(word(said), message_id="nothing")):
        with pytest.raises(NotFound):
            record_review(cursor, review=changed)
