"""Questions that are answered badly and that nothing in the record answers."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from collect.formats.read import ParsedConversation
from collect.gaps import list_gaps
from collect.imports import import_conversations
from collect.reviews import record_review
from collect.signals.found import keep_span, look_at_span
from collect.signals.phrases import read_phrases
from collect.store import Cursor
from nightschool.records import BotName, ChatMessage, Feedback, Message, Review, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]
KNOWN = (
    "How do I return a planter?",
    "Where is my parcel?",
    "What does delivery to Austria cost?",
    "How do I water a fern in winter?",
    "Can I change my delivery address?",
    "How do I reset my password?",
)
MARS = "Do you deliver planters to the space station?"


@pytest.fixture(autouse=True)
def known(cursor: Cursor) -> None:
    parsed = [
        ParsedConversation(
            line, (ChatMessage(role="user", content=question), ChatMessage(role="assistant", content="Like this."))
        )
        for line, question in enumerate(KNOWN)
    ]
    import_conversations(cursor, bot=BOT, conversations=parsed, is_held_out=None, at=AT)


def dislike(cursor: Cursor, about: Message, *, vote: Vote = Vote.DOWN, voter: str = "ada") -> Message:
    give(cursor, Feedback(about.message_id, about.bot, voter, vote, (), "", "", AT))
    return about


def questions(cursor: Cursor, bot: str | None = None) -> list[tuple[str, int]]:
    return [(gap.question, gap.times) for gap in list_gaps(cursor, bot=BotName(bot) if bot else None)]


def test_a_bad_answer_that_nothing_known_could_mend_is_a_gap(cursor: Cursor, tell: Tell) -> None:
    for minute, question in enumerate((MARS, "do you deliver planters to the space station", MARS.upper())):
        dislike(cursor, tell(question, f"Answer {minute}.", at=AT + timedelta(minutes=minute))[1])
    dislike(cursor, tell("how do I return my planter", "No idea.")[1])
    tell("What is the meaning of life?", "42.")
    [gap] = list_gaps(cursor)
    assert (gap.bot, gap.question, gap.times, gap.answer) == (BOT, MARS.upper(), 3, "Answer 2.")
    assert gap.last_at == AT + timedelta(minutes=2)
    assert 0 < gap.coverage < 0.7


def test_most_asked_first_then_newest(cursor: Cursor, tell: Tell) -> None:
    for minute, question in enumerate((MARS, MARS, "Which plants eat flies?", "Are gnomes edible for cats?")):
        dislike(cursor, tell(question, "No.", at=AT + timedelta(minutes=minute))[1])
    assert questions(cursor) == [(MARS, 2), ("Are gnomes edible for cats?", 1), ("Which plants eat flies?", 1)]
    assert len(list_gaps(cursor, limit=1)) == 1


def test_what_people_come_back_to_is_one_too(cursor: Cursor, tell: Tell) -> None:
    _, said = tell(MARS, "Yes.")
    tell("That is not what I asked", "Sorry.", after=said)
    span = look_at_span(cursor, phrases=read_phrases())
    assert span is not None
    keep_span(cursor, span=span)
    assert questions(cursor) == [(MARS, 1)]


def test_an_answer_that_was_let_in_closes_it(cursor: Cursor, tell: Tell) -> None:
    said = dislike(cursor, tell(MARS, "Yes.")[1])
    record_review(cursor, review=Review(said.message_id, BOT, "boss", False, "", (), AT))
    assert questions(cursor) == [(MARS, 1)]
    assert list_gaps(cursor)[0].is_approved is False
    record_review(cursor, review=Review(said.message_id, BOT, "boss", True, "Only to Earth.", (), AT))
    assert questions(cursor) == []
    dislike(cursor, tell("do you deliver planters to the space station?", "Yes.")[1])
    assert questions(cursor) == []


def test_what_more_like_than_dislike_is_none(cursor: Cursor, tell: Tell) -> None:
    said = dislike(cursor, tell(MARS, "Yes.")[1])
    dislike(cursor, said, vote=Vote.UP, voter="ben")
    assert questions(cursor) == []


def test_each_bot_knows_its_own(cursor: Cursor, tell: Tell) -> None:
    dislike(cursor, tell("How do I return a planter?", "No.", bot="reviewer")[1])
    assert questions(cursor) == [("How do I return a planter?", 1)]
    assert questions(cursor, "support") == []
    assert questions(cursor, "reviewer") == [("How do I return a planter?", 1)]


def test_scripts_without_blanks_are_compared_by_characters(cursor: Cursor, tell: Tell) -> None:
    parsed = ParsedConversation(
        1,
        (
            ChatMessage(role="user", content="自动浇水花盆怎么退货?"),
            ChatMessage(role="assistant", content="打电话。"),
        ),
    )
    import_conversations(cursor, bot=BOT, conversations=[parsed], is_held_out=None, at=AT)
    dislike(cursor, tell("自动浇水花盆怎么退货呢", "不知道。")[1])
    dislike(cursor, tell("请问月球上能送货上门吗", "不知道。")[1])
    assert questions(cursor) == [("请问月球上能送货上门吗", 1)]


def test_a_question_without_words_is_none(cursor: Cursor, tell: Tell) -> None:
    for question in ("?", "🙂🙂🙂🙂🙂🙂", "and then?"):
        dislike(cursor, tell(question, "No.")[1])
    assert questions(cursor) == []
