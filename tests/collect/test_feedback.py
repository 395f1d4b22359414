"""Votes: one opinion a person and answer, its whole history beside it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collect.feedback import (
    FeedbackRow,
    Heard,
    Opinion,
    Said,
    feedback_in,
    feedback_of,
    find_opinion,
    list_feedback,
    record_opinion,
    record_opinions,
)
from collect.reviews import record_review
from collect.store import Cursor
from nightschool.errors import InvalidInput, NightschoolError, NotFound
from nightschool.records import BotName, Feedback, Message, Review, Source, Vote

from .conftest import give

Tell = Callable[..., list[Message]]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUPPORT = BotName("support")


def opinion(answer: Message, vote: Vote = Vote.UP, *, voter: str = "browser:ada", minute: int = 0) -> Feedback:
    return Feedback(
        message_id=answer.message_id,
        bot=answer.bot,
        voter=voter,
        vote=vote,
        reasons=("wrong", "slow"),
        comment="It's “late”.",
        ideal_answer="",
        voted_at=NOON + timedelta(minutes=minute),
    )


def history(cursor: Cursor) -> list[str]:
    """All that was ever said, the last of it as it stands."""
    said = "select vote, voted_at from feedback_history union all select vote, voted_at from feedback"
    return [vote for vote, _ in cursor.execute(f"{said} order by voted_at").fetchall()]


def test_a_vote_is_read_back_as_it_was(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    vote = opinion(said)
    assert give(cursor, vote) == vote
    assert feedback_of(cursor, message_id=said.message_id, voter="browser:ada") == vote
    assert feedback_of(cursor, message_id=said.message_id, voter="browser:eve") is None


def test_a_changed_mind_leaves_its_history(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for minute, vote in enumerate((Vote.UP, Vote.DOWN, Vote.NONE)):
        give(cursor, opinion(said, vote, minute=minute))
    stands = feedback_of(cursor, message_id=said.message_id, voter="browser:ada")
    assert stands == opinion(said, Vote.NONE, minute=2)
    assert history(cursor) == ["up", "down", "none"]


def test_a_vote_that_is_sent_again_counts_once(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for _ in range(2):
        give(cursor, opinion(said))
    assert history(cursor) == ["up"]


def test_the_same_opinion_at_another_time_leaves_no_history(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    first = give(cursor, opinion(said))
    assert give(cursor, opinion(said, minute=5)) == first
    told = Opinion(Vote.UP, ["wrong", "slow"], "It's “late”.")
    again = record_opinion(
        cursor, message_id=said.message_id, voter="browser:ada", opinion=told, at=NOON + timedelta(hours=1)
    )
    assert again == Heard(first, is_new=False)
    assert history(cursor) == ["up"]


def test_what_is_said_now_counts_though_the_clock_was_set_back(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    give(cursor, opinion(said, Vote.DOWN, minute=5))
    heard = record_opinion(cursor, message_id=said.message_id, voter="browser:ada", opinion=Opinion(Vote.UP), at=NOON)
    assert (heard.feedback.vote, heard.feedback.voted_at) == (Vote.UP, NOON + timedelta(minutes=5))


@pytest.mark.parametrize("way", [[Vote.UP], [Vote.NONE, Vote.UP], [Vote.NONE], [Vote.UP, Vote.DOWN]])
def test_a_changed_mind_keeps_nothing_of_the_other_one(cursor: Cursor, tell: Tell, way: list[Vote]) -> None:
    _, said = tell()
    whole = Opinion(Vote.DOWN, ["wrong"], "No.", "Within 30 days.")
    for said_now in [whole, *map(Opinion, way)]:
        heard = record_opinion(cursor, message_id=said.message_id, voter="browser:ada", opinion=said_now, at=NOON)
    stands = heard.feedback
    assert (stands.vote, stands.reasons, stands.comment, stands.ideal_answer) == (way[-1], (), "", "")


def test_what_is_added_to_an_opinion_stays_with_it(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for said_now in (Opinion(reasons=["wrong"]), Opinion(Vote.DOWN), Opinion(Vote.DOWN, ideal_answer="There.")):
        heard = record_opinion(cursor, message_id=said.message_id, voter="browser:ada", opinion=said_now, at=NOON)
    assert (heard.feedback.reasons, heard.feedback.ideal_answer) == (("wrong",), "There.")


@pytest.mark.parametrize("echo", ["On its way.", " on its\nWAY. "])
def test_a_suggestion_that_says_what_the_answer_says_is_none(cursor: Cursor, tell: Tell, echo: str) -> None:
    _, said = tell("Where is my parcel?", "On its way.")
    heard = record_opinion(
        cursor,
        message_id=said.message_id,
        voter="browser:ada",
        opinion=Opinion(Vote.DOWN, ideal_answer=echo),
        at=NOON,
    )
    assert heard.feedback.ideal_answer == ""


def test_people_vote_beside_one_another(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    mine, hers = opinion(said), opinion(said, Vote.DOWN, voter="browser:eve")
    give(cursor, mine)
    give(cursor, hers)
    tell(after=said)
    for voter, vote in (("browser:ada", mine), ("browser:eve", hers)):
        assert feedback_in(cursor, conversation_id=asked.conversation_id, voter=voter) == {said.message_id: vote}


Change = tuple[Vote, tuple[str, ...], str]
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(Vote), st.lists(st.sampled_from(["wrong", "rude", "slow"]), max_size=3).map(tuple), st.text()
    ),
    min_size=1,
    max_size=6,
)


def test_vote_retract_vote_equals_vote(cursor: Cursor, tell: Tell) -> None:
    """However often a mind changes, in one transaction or in many, only the last word stands."""

    @given(changes=CHANGES, is_one_transaction=st.booleans())
    @settings(max_examples=60, deadline=None)
    def check(changes: list[Change], is_one_transaction: bool) -> None:
        _, winding = tell()
        _, straight = tell()
        votes = [
            replace(opinion(winding, vote, minute=minute), reasons=reasons, comment=comment)
            for minute, (vote, reasons, comment) in enumerate(changes)
        ]
        if is_one_transaction:
            cursor.begin()
        for vote in votes:
            give(cursor, vote)
        give(cursor, replace(votes[-1], message_id=straight.message_id))
        if is_one_transaction:
            cursor.commit()
        stands = feedback_of(cursor, message_id=winding.message_id, voter="browser:ada")
        direct = feedback_of(cursor, message_id=straight.message_id, voter="browser:ada")
        assert stands is not None
        assert direct is not None
        assert (direct.vote, direct.reasons) == (votes[-1].vote, votes[-1].reasons)
        # The same opinion again is one opinion: it stands as it was first said.
        assert replace(stands, voted_at=NOON, message_id="") == replace(direct, voted_at=NOON, message_id="")

    check()


def test_only_answers_of_ours_are_voted_on(cursor: Cursor, tell: Tell) -> None:
    asked, said = tell()
    _, sent_along = tell(source=Source.CLIENT)
    _, imported = tell(source=Source.IMPORT)
    for wrong in (asked, sent_along, imported):
        with pytest.raises(InvalidInput, match="not an answer of this bot"):
            give(cursor, opinion(wrong))
    with pytest.raises(NotFound):
        give(cursor, opinion(replace(said, message_id="nowhere")))
    assert history(cursor) == []


def test_the_list_shows_what_a_vote_is_about(cursor: Cursor, tell: Tell) -> None:
    _, said = tell("Where?", "There.")
    give(cursor, opinion(said))
    assert list_feedback(cursor, bot=SUPPORT) == [FeedbackRow(opinion(said), "Where?", "There.", 3, None)]
    record_review(cursor, review=Review(said.message_id, SUPPORT, "boss", True, "", (), NOON))
    [row] = list_feedback(cursor, bot=SUPPORT)
    assert (row.is_approved, row.ruled_text) == (True, "There.")


def test_one_opinion_is_found_until_it_is_taken_back(cursor: Cursor, tell: Tell) -> None:
    _, said = tell("Where?", "There.")
    give(cursor, opinion(said))
    voter = opinion(said).voter
    [listed] = list_feedback(cursor, bot=SUPPORT)
    assert find_opinion(cursor, message_id=said.message_id, voter=voter) == listed
    give(cursor, opinion(said, Vote.NONE, minute=1))
    for who in (voter, "somebody else"):
        with pytest.raises(NotFound, match="no more"):
            find_opinion(cursor, message_id=said.message_id, voter=who)


def test_the_list_is_newest_first_and_filtered(cursor: Cursor, tell: Tell) -> None:
    for minute, (bot, vote) in enumerate(
        [("support", Vote.UP), ("support", Vote.DOWN), ("support", Vote.NONE), ("reviewer", Vote.UP)]
    ):
        _, said = tell(bot=bot)
        give(cursor, opinion(said, vote, minute=minute))

    def shown(**filters: object) -> list[str]:
        rows = list_feedback(cursor, **({"bot": None} | filters))  # type: ignore[arg-type]
        return [f"{row.feedback.bot} {row.feedback.vote}" for row in rows]

    assert shown() == ["reviewer up", "support down", "support up"]
    assert shown(bot=SUPPORT) == ["support down", "support up"]
    assert shown(bot=SUPPORT, vote=Vote.DOWN) == ["support down"]
    assert shown(limit=1) == ["reviewer up"]


def test_opinions_kept_together_are_kept_as_one_after_the_other(cursor: Cursor, tell: Tell) -> None:
    """The same opinions on two answers, at once and in turn: what became of each, what stands and the history agree."""
    opinions = [
        Opinion(Vote.UP),
        Opinion(Vote.DOWN, ["wrong"], "No.", "Within 30 days."),
        Opinion(Vote.DOWN, ["wrong"], "No.", "Within 30 days."),
        Opinion(comment="Still no."),
        Opinion(Vote.NONE),
    ]
    (_, first), (question, second) = tell(), tell()
    give(cursor, opinion(first, voter="browser:eve"))
    give(cursor, opinion(second, voter="browser:eve"))

    def said(answer: Message) -> list[Said]:
        told = [
            Said(answer.message_id, voter, one, NOON + timedelta(minutes=minute))
            for minute, one in enumerate(opinions)
            for voter in ("browser:ada", "browser:eve")
        ]
        return [*told, Said(question.message_id, "browser:ada", Opinion(Vote.UP), NOON)]

    def outcome(heard: Heard | NightschoolError) -> object:
        if isinstance(heard, NightschoolError):
            return str(heard)
        return heard.is_new, replace(heard.feedback, message_id="")

    together = record_opinions(cursor, said(first))
    apart = [heard for one in said(second) for heard in record_opinions(cursor, [one])]
    assert [outcome(heard) for heard in together] == [outcome(heard) for heard in apart]
    assert "is not an answer of this bot" in str(together[-1])
    for kept in ("feedback", "feedback_history"):
        rows = [
            cursor.execute(
                f"select voter, vote, reasons, comment, ideal_answer, voted_at from {kept} where message_id = $id "
                "order by all",
                {"id": answer.message_id},
            ).fetchall()
            for answer in (first, second)
        ]
        assert rows[0] == rows[1]
