"""What screens stopped is listed, released by an operator, and gone where it is not stopped any more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.erase import Wish, erase_rows, hash_subject
from collect.events import list_events
from collect.feedback import Opinion, Said, record_opinions
from collect.quarantine import (
    Stopped,
    count_quarantine,
    find_quarantined,
    keep_stopped,
    list_quarantine,
    rule_votes,
)
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import BotName, Message, Vote, VoteState

Tell = Callable[..., list[Message]]
BOT = BotName("support")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BURST = "it is one of many"


def vote(cursor: Cursor, message: Message, voter: str, vote: Vote = Vote.DOWN, *, minute: int = 0) -> Stopped:
    said = Said(message.message_id, voter, Opinion(vote), NOON + timedelta(minutes=minute), "home")
    record_opinions(cursor, [said])
    return Stopped(message.message_id, voter, BURST)


def stop(cursor: Cursor, *stopped: Stopped, minute: int = 60) -> None:
    keep_stopped(cursor, bot=BOT, stopped=stopped, at=NOON + timedelta(minutes=minute))


def rule(
    cursor: Cursor,
    voter: str,
    message: Message | None = None,
    *,
    state: VoteState = VoteState.RELEASED,
    minute: int = 90,
    why: str = "one of us",
    seen_at: datetime | None = None,
) -> int:
    name = message.message_id if message else None
    at = NOON + timedelta(minutes=minute)
    ruling = partial(rule_votes, bot=BOT, voter=voter, message_id=name, actor="ada", reason=why, at=at)
    return ruling(cursor, state=state, seen_at=seen_at)


release = partial(rule, state=VoteState.RELEASED)
keep = partial(rule, state=VoteState.KEPT)


def listed(cursor: Cursor) -> list[tuple[str, str, int]]:
    return [(row.message_id, row.voter, row.alike) for row in list_quarantine(cursor, bot=BOT)]


def handed_over(cursor: Cursor, folder: Path, column: str) -> list[bool]:
    write_snapshot(cursor, bot=BOT, folder=folder, at=NOON + timedelta(days=1))
    rows: list[bool] = pq.read_table(folder / "feedback.parquet")[column].to_pylist()
    return rows


released = partial(handed_over, column="is_released")
kept_out = partial(handed_over, column="is_kept_out")


def test_a_stopped_vote_is_shown_with_what_it_is_about_and_whose_most_is_stopped_first(
    cursor: Cursor, tell: Tell
) -> None:
    (_, one), (_, other) = tell("Refund?", "Never."), tell("Refund??", "No.")
    stop(cursor, vote(cursor, one, "browser:ada"), vote(cursor, one, "browser:eve"), vote(cursor, other, "browser:eve"))
    first, second, third = list_quarantine(cursor, bot=BOT)
    assert (first.voter, second.voter, third.voter) == ("browser:eve", "browser:eve", "browser:ada")
    assert (third.question, third.answer, third.vote, third.reason) == ("Refund?", "Never.", Vote.DOWN, BURST)
    assert (first.alike, third.alike) == (2, 1)
    assert list_quarantine(cursor, bot=BotName("reviewer")) == []
    assert [row.voter for row in list_quarantine(cursor, voter="browser:ada")] == ["browser:ada"]
    assert len(list_quarantine(cursor, limit=2)) == 2


def test_the_newest_dataset_says_what_is_stopped_and_since_when(cursor: Cursor, tell: Tell) -> None:
    (_, one), (_, other) = tell(), tell()
    first, second = vote(cursor, one, "browser:eve"), vote(cursor, other, "browser:eve")
    stop(cursor, first, minute=60)
    stop(cursor, first, second, minute=120)
    since = {row.message_id: row.found_at for row in list_quarantine(cursor)}
    assert since == {one.message_id: NOON + timedelta(minutes=60), other.message_id: NOON + timedelta(minutes=120)}
    stop(cursor, second)
    assert listed(cursor) == [(other.message_id, "browser:eve", 1)]
    stop(cursor)
    assert listed(cursor) == []


def test_a_vote_is_released_alone_or_with_all_of_its_person(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    answers = [tell()[1] for _ in range(3)]
    stop(cursor, *(vote(cursor, answer, "browser:eve") for answer in answers))
    assert released(cursor, tmp_path / "before") == [False] * 3
    assert release(cursor, "browser:eve", answers[0]) == 1
    assert (len(listed(cursor)), sum(released(cursor, tmp_path / "one"))) == (2, 1)
    assert release(cursor, "browser:eve") == 2
    assert (listed(cursor), released(cursor, tmp_path / "all")) == ([], [True] * 3)
    events = [(event.actor, event.action, event.subject, event.reason) for event in list_events(cursor)]
    assert ("ada", "let a stopped vote count", answers[0].message_id, "one of us") in events
    assert ("ada", "let a stopped vote count", f"2 votes of {hash_subject('browser:eve')}", "one of us") in events
    assert "browser:eve" not in str(events)


def test_a_release_is_about_the_opinion_that_was_seen(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    _, said = tell()
    stop(cursor, vote(cursor, said, "browser:eve"))
    release(cursor, "browser:eve", minute=90)
    stop(cursor, vote(cursor, said, "browser:eve", Vote.UP, minute=100))
    assert released(cursor, tmp_path / "snapshot") == [False]
    assert len(listed(cursor)) == 1
    assert release(cursor, "browser:eve", minute=110) == 1


def test_a_vote_is_kept_out_until_it_changes_or_is_released(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    answers = [tell()[1] for _ in range(3)]
    stop(cursor, *(vote(cursor, answer, "browser:eve") for answer in answers))
    assert keep(cursor, "browser:eve", answers[0], why="a rival") == 1
    assert (len(listed(cursor)), sum(kept_out(cursor, tmp_path / "one"))) == (2, 1)
    [row] = list_quarantine(cursor, bot=BOT, state=VoteState.KEPT)
    assert (row.message_id, row.reason, row.ruled_by) == (answers[0].message_id, "a rival", "ada")
    assert keep(cursor, "browser:eve") == 2
    assert released(cursor, tmp_path / "all") == [False] * 3
    assert kept_out(cursor, tmp_path / "kept") == [True] * 3
    # A night whose screens would stop none of them changes nothing of that.
    stop(cursor, minute=120)
    assert count_quarantine(cursor, bot=BOT, state=VoteState.KEPT) == 3
    assert release(cursor, "browser:eve", answers[0], minute=130) == 1
    vote(cursor, answers[1], "browser:eve", Vote.UP, minute=140)
    assert [row.message_id for row in list_quarantine(cursor, state=VoteState.KEPT)] == [answers[2].message_id]
    assert [row.message_id for row in list_quarantine(cursor, state=VoteState.RELEASED)] == [answers[0].message_id]
    assert sum(kept_out(cursor, tmp_path / "last")) == 1
    actions = [(event.actor, event.action, event.reason) for event in list_events(cursor)]
    assert ("ada", "kept a stopped vote out", "a rival") in actions


def test_a_ruling_is_not_on_an_opinion_that_came_after_what_was_read(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    stop(cursor, vote(cursor, said, "browser:eve"))
    seen = find_quarantined(cursor, message_id=said.message_id, voter="browser:eve")
    stop(cursor, vote(cursor, said, "browser:eve", Vote.UP, minute=70))
    with pytest.raises(Busy, match="changed while you read it"):
        release(cursor, "browser:eve", said, seen_at=seen.voted_at)
    assert listed(cursor) == [(said.message_id, "browser:eve", 1)]


def test_pages_hold_each_vote_once(cursor: Cursor, tell: Tell) -> None:
    answers = [tell()[1] for _ in range(5)]
    stop(cursor, *(vote(cursor, answer, f"browser:{n % 2}") for n, answer in enumerate(answers)))
    pages = [list_quarantine(cursor, bot=BOT, limit=2, offset=begin) for begin in (0, 2, 4, 6)]
    assert [len(page) for page in pages] == [2, 2, 1, 0]
    assert {row.message_id for page in pages for row in page} == {answer.message_id for answer in answers}
    assert [row.alike for page in pages for row in page] == [3, 3, 3, 2, 2]
    assert count_quarantine(cursor, bot=BOT) == 5


def test_what_is_not_stopped_cannot_be_released_and_each_release_says_why(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    stopped = vote(cursor, said, "browser:eve")
    with pytest.raises(NotFound):
        release(cursor, "browser:eve", said)
    stop(cursor, stopped)
    with pytest.raises(InvalidInput):
        release(cursor, "browser:eve", said, why=" ")
    with pytest.raises(NotFound):
        release(cursor, "browser:eve", tell()[1])


def test_a_vote_that_was_taken_back_is_not_listed(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    stop(cursor, vote(cursor, said, "browser:eve"))
    vote(cursor, said, "browser:eve", Vote.NONE, minute=1)
    assert listed(cursor) == []


def test_who_is_forgotten_is_in_no_quarantine_either(cursor: Cursor, tell: Tell) -> None:
    _, said = tell(owner="browser:ada")
    stop(cursor, vote(cursor, said, "browser:eve"), vote(cursor, tell()[1], "browser:eve"))
    release(cursor, "browser:eve", said)
    erase_rows(cursor, wish=Wish("e", "user", "browser:eve", "boss", "asked", NOON))
    for table in ("quarantine", "releases"):
        assert cursor.execute(f"select count(*) from {table}").fetchone() == (0,)


def test_an_address_is_kept_with_the_vote_and_outlives_a_change_that_came_from_nowhere(
    cursor: Cursor, tell: Tell, tmp_path: Path
) -> None:
    _, said = tell()
    vote(cursor, said, "browser:eve")
    at = NOON + timedelta(minutes=1)
    record_opinions(cursor, [Said(said.message_id, "browser:eve", Opinion(comment="No"), at)])
    write_snapshot(cursor, bot=BOT, folder=tmp_path, at=at)
    assert pq.read_table(tmp_path / "feedback.parquet")["address"].to_pylist() == ["home"]
