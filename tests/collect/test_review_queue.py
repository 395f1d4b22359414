"""What wants a look, the heaviest first, and why, in words."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from collect.review_queue import SIGNAL_WEIGHTS, WEIGHTS, find_queued, list_queue
from collect.reviews import record_review
from collect.signals.detect import Kind
from collect.signals.found import keep_span, look_at_span
from collect.signals.phrases import Phrases, read_phrases
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import BotName, Feedback, Message, Review, Vote

from .conftest import AT, BOT, give

Tell = Callable[..., list[Message]]


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    return read_phrases()


class Room:
    """Fills a record and looks at its queue a day later."""

    def __init__(self, cursor: Cursor, tell: Tell, phrases: Phrases) -> None:
        self.cursor, self.tell, self.phrases = cursor, tell, phrases

    def answer(self, question: str, *, reply: str = "", bot: str = "support", days_ago: int = 0) -> Message:
        at = AT - timedelta(days=days_ago)
        _, said = self.tell(question, f"About {question}", bot=bot, at=at)
        if reply:
            self.tell(reply, "Sorry.", after=said, bot=bot, at=at)
        return said

    def vote(self, about: Message, vote: Vote, *, voter: str = "ada", proposal: str = "", days_ago: int = 0) -> None:
        at = AT - timedelta(days=days_ago)
        give(self.cursor, Feedback(about.message_id, about.bot, voter, vote, (), "", proposal, at))

    def queue(self, *, kind: Kind | None = None, bot: str | None = None, limit: int = 100) -> list[str]:
        while (span := look_at_span(self.cursor, phrases=self.phrases)) is not None:
            keep_span(self.cursor, span=span)
        found = list_queue(self.cursor, bot=BotName(bot) if bot else None, kind=kind, now=AT, limit=limit)
        assert [row.score for row in found] == sorted((row.score for row in found), reverse=True)
        return [row.question for row in found]


@pytest.fixture
def room(cursor: Cursor, tell: Tell, phrases: Phrases) -> Room:
    return Room(cursor, tell, phrases)


def test_what_the_guard_held_back_waits_with_the_facts_that_stood_on_nothing(room: Room) -> None:
    said = room.answer("How much is it?")
    room.answer("fine")
    held = [{"said": "It costs 7 euro.", "facts": ["figure 7 euro"], "then": "passage"}]
    room.cursor.execute("update messages set held_json = ? where message_id = ?", [json.dumps(held), said.message_id])
    assert room.queue() == ["How much is it?"]
    [row] = list_queue(room.cursor, now=AT)
    assert row.reasons == ("stood on nothing: figure 7 euro",)
    assert room.queue(kind=Kind.DOUBT) == []
    room.vote(said, Vote.DOWN)
    [row] = list_queue(room.cursor, now=AT)
    assert row.reasons == ("1 thumb down", "stood on nothing: figure 7 euro")


def test_the_most_telling_comes_first(room: Room) -> None:
    room.answer("fine")
    room.vote(room.answer("liked"), Vote.UP)
    room.answer("again and again", reply="again and again?")
    room.answer("wrong", reply="That is wrong")
    room.answer("human", reply="That is wrong. I want to talk to a human")
    room.vote(room.answer("disliked"), Vote.DOWN)
    crowd = room.answer("crowd")
    for voter in ("ada", "ben"):
        room.vote(crowd, Vote.DOWN, voter=voter)
    assert room.queue() == ["crowd", "human", "disliked", "wrong", "again and again"]


def test_every_line_says_why(room: Room) -> None:
    said = room.answer("Where is it?", reply="You didn't answer my question, I want to talk to a human")
    room.vote(said, Vote.DOWN, proposal="In the cellar.")
    room.vote(said, Vote.DOWN, voter="ben")
    room.vote(said, Vote.UP, voter="cleo")
    room.queue()
    [row] = list_queue(room.cursor, now=AT)
    assert row.reasons == (
        "2 thumbs down",
        'asked for somebody else ("talk to a human")',
        'said that it is wrong ("did not answer my question")',
        "1 better answer suggested",
        "yet 1 thumb up",
    )
    assert (row.question, row.answer, row.proposal) == ("Where is it?", "About Where is it?", "In the cellar.")
    assert row.follow_up.startswith("You didn't answer")
    assert find_queued(room.cursor, message_id=said.message_id, now=AT) == row


def test_it_is_filtered_by_signal_and_bot(room: Room) -> None:
    room.answer("wrong", reply="That is wrong")
    room.answer("human", reply="human")
    room.answer("theirs", reply="That is wrong", bot="reviewer")
    room.vote(room.answer("disliked"), Vote.DOWN)
    assert set(room.queue(kind=Kind.CORRECTION)) == {"wrong", "theirs"}
    assert room.queue(kind=Kind.ESCALATION) == ["human"]
    assert room.queue(kind=Kind.DOUBT) == []
    assert room.queue(bot="reviewer") == ["theirs"]
    assert len(room.queue(limit=2)) == 2


def test_what_is_old_weighs_less(room: Room) -> None:
    room.vote(room.answer("old", days_ago=30), Vote.DOWN, days_ago=30)
    room.answer("new", reply="That is wrong")
    assert room.queue() == ["new", "old"]


def test_a_crowd_does_not_bury_the_rest(room: Room) -> None:
    said = room.answer("crowd")
    for voter in range(50):
        room.vote(said, Vote.DOWN, voter=f"voter-{voter}")
    room.queue()
    assert list_queue(room.cursor, now=AT)[0].score == 6


@pytest.mark.parametrize("corrected", ["In the cellar.", ""])
def test_a_ruling_takes_it_off(room: Room, corrected: str) -> None:
    said = room.answer("wrong", reply="That is wrong")
    room.vote(said, Vote.DOWN)
    assert room.queue() == ["wrong"]
    review = Review(said.message_id, BOT, "boss", bool(corrected), corrected, (), AT)
    record_review(room.cursor, review=review)
    assert room.queue() == []
    with pytest.raises(NotFound, match="waits no more"):
        find_queued(room.cursor, message_id=said.message_id, now=AT)


def test_a_vote_that_was_taken_back_is_none(room: Room) -> None:
    said = room.answer("wrong")
    room.vote(said, Vote.DOWN)
    room.vote(said, Vote.NONE)
    assert room.queue() == []


def test_the_page_tells_every_weight() -> None:
    page = (Path(__file__).parents[2] / "docs" / "signals.md").read_text(encoding="utf-8")
    table = page.partition("## The review queue")[2].partition("## ")[0]
    told = [float(weight) for weight in re.findall(r"^\| .+ \| ([0-9.]+) \|$", table, re.MULTILINE)]
    assert sorted(told) == sorted(weight for weight in (*WEIGHTS.values(), *SIGNAL_WEIGHTS.values()) if weight)
