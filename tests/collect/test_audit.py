"""The small questions: audit, reviews and counts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from collect.events import append_event, list_events
from collect.reviews import record_review, review_of
from collect.status import Counts, count
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Event, Feedback, Message, Review, Source, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


def test_the_audit_is_newest_first_and_knows_each_event_once(cursor: Cursor) -> None:
    first = Event("one", AT, BOT, "ada", "promoted", "support@1", "better")
    second = Event("two", AT + timedelta(hours=1), BotName("reviewer"), "eve", "retired", "reviewer@1", "")
    for event in (first, second, first):
        append_event(cursor, event=event)
    assert list_events(cursor) == [second, first]
    assert list_events(cursor, bot=BOT) == [first]
    assert list_events(cursor, limit=1) == [second]


def test_the_newest_review_counts(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    refused = Review(said.message_id, BOT, "boss", False, "", ("tone", "facts"), AT)
    corrected = replace(refused, approved=True, corrected_answer="Tomorrow.", tags=())
    for review in (refused, corrected):
        assert record_review(cursor, review=review) == review
        assert review_of(cursor, message_id=said.message_id) == review
    with pytest.raises(InvalidInput, match="not an answer"):
        record_review(cursor, review=replace(refused, message_id=asked.message_id))
    with pytest.raises(NotFound):
        record_review(cursor, review=replace(refused, bot=BotName("reviewer")))


def test_counts_are_a_bots_own(cursor: Cursor, tell: Tell) -> None:
    _, liked = tell(at=AT - timedelta(days=1))
    _, disliked = tell()
    tell(source=Source.IMPORT)
    tell(bot="reviewer")
    for said, vote in ((liked, Vote.UP), (disliked, Vote.DOWN)):
        give(cursor, Feedback(said.message_id, BOT, "browser:ada", vote, (), "", "", AT))
    record_review(cursor, review=Review(liked.message_id, BOT, "boss", True, "", (), AT))
    assert count(cursor, bot=BOT) == Counts(conversations=3, messages=6, answers=2, votes_up=1, votes_down=1, reviews=1)
    assert count(cursor, bot=BotName("nobody")) == Counts(0, 0, 0, 0, 0, 0)
