"""What waits for an operator: most agreed first, then oldest, and gone once somebody ruled."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from collect.reviews import record_review
from collect.store import Cursor
from collect.waiting import Waiting, list_waiting
from nightschool.records import BotName, Feedback, Message, Review, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


@pytest.fixture
def suggest(cursor: Cursor, tell: Tell) -> Callable[..., Message]:
    minutes = iter(range(1_000))

    def suggest(
        text: str, *, voter: str = "browser:a", question: str = "Refund?", answer: str = "Never.", bot: str = "support"
    ) -> Message:
        _, said = tell(question, answer, bot=bot, owner=voter)
        at = AT + timedelta(minutes=next(minutes))
        vote = Feedback(said.message_id, BotName(bot), voter, Vote.DOWN, (), "", text, at)
        give(cursor, vote)
        return said

    return suggest


Suggest = Callable[..., Message]


def proposals(cursor: Cursor, **options: object) -> list[tuple[str, int]]:
    return [(one.proposal, one.persons) for one in list_waiting(cursor, **options)]  # type: ignore[arg-type]


def test_a_suggestion_waits_with_all_that_an_operator_needs(cursor: Cursor, suggest: Suggest) -> None:
    said = suggest("Within 30 days.")
    assert list_waiting(cursor) == [
        Waiting(said.message_id, BOT, "Refund?", "Never.", "Within 30 days.", persons=1, first_at=AT)
    ]


def test_what_most_agree_on_comes_first_and_then_the_oldest(cursor: Cursor, tell: Tell, suggest: Suggest) -> None:
    for voter in ("browser:b", "browser:c"):
        tell(owner=voter, at=AT - timedelta(days=2))
    suggest("Perhaps.", question="Shipping?")
    suggest("Within 30 days.")
    suggest("Call us.", voter="browser:b")
    suggest("within 30 days", voter="browser:c")
    suggest("Within 30 days!", voter="browser:c", question="refund?")
    assert proposals(cursor) == [("Within 30 days!", 2), ("Perhaps.", 1), ("Call us.", 1)]
    assert proposals(cursor, limit=1) == [("Within 30 days!", 2)]


def test_forty_newcomers_lift_their_words_no_higher_than_one(cursor: Cursor, tell: Tell, suggest: Suggest) -> None:
    suggest("Perhaps.", question="Shipping?")
    for number in range(40):
        suggest("Call 0900-SCAM.", voter=f"browser:{number}")
    tell(owner="browser:known", at=AT - timedelta(days=2))
    suggest("Within 30 days.", voter="browser:known")
    suggest("within 30 days", voter="browser:new")
    found = [(one.proposal, one.persons, one.independent) for one in list_waiting(cursor)]
    assert found == [("within 30 days", 2, 2), ("Perhaps.", 1, 1), ("Call 0900-SCAM.", 40, 1)]


@pytest.mark.parametrize("corrected", ["Within 30 days.", ""])
def test_a_ruling_settles_all_that_was_suggested_for_that_answer(
    cursor: Cursor, suggest: Suggest, corrected: str
) -> None:
    suggest("Within 14 days.", voter="browser:b")
    said = suggest("Within 30 days.")
    suggest("Soon.", answer="No idea.")
    record_review(cursor, review=Review(said.message_id, BOT, "boss", bool(corrected), corrected, (), AT))
    assert proposals(cursor) == [("Soon.", 1)]


def test_what_was_taken_back_or_says_nothing_new_waits_for_nobody(cursor: Cursor, suggest: Suggest) -> None:
    said = suggest("Within 30 days.")
    gone = Feedback(said.message_id, BOT, "browser:a", Vote.NONE, (), "", "Within 30 days.", AT + timedelta(days=1))
    give(cursor, gone)
    suggest("never. ")
    suggest("  ")
    assert list_waiting(cursor) == []


def test_each_bot_has_its_own(cursor: Cursor, suggest: Suggest) -> None:
    suggest("Within 30 days.")
    suggest("Louder.", bot="reviewer")
    assert proposals(cursor, bot=BotName("reviewer")) == [("Louder.", 1)]
    assert len(proposals(cursor)) == 2
