"""What screens stopped is listed, released by an operator, and gone where it is not stopped any more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from collect.erase import Wish, erase_rows, hash_subject
from collect.events import list_events
from collect.feedback import Opinion, Said, record_opinions
from collect.quarantine import Stopped, keep_stopped, list_quarantine, release_votes
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Message, Vote

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


def release(
    cursor: Cursor, voter: str, message: Message | None = None, *, minute: int = 90, why: str = "one of us"
) -> int:
    name = message.message_id if message else None
    at = NOON + timedelta(minutes=minute)
    return release_votes(cursor, bot=BOT, voter=voter, message_id=name, actor="ada", reason=why, at=at)


def listed(cursor: Cursor) -> list[tuple[str, str, int]]:
    return [(row.message_id, row.voter, row.alike) for row in list_quarantine(cursor, bot=BOT)]


def released(cursor: Cursor, folder: Path) -> list[bool]:
    write_snapshot(cursor, bot=BOT, folder=folder, at=NOON + timedelta(days=1))
    rows: list[bool] = pq.read_table(folder / "feedback.parquet")["is_released"].to_pylist()
    return rows


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
