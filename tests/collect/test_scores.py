"""Named scores: the newest word of each stands, its history beside it, and a name is of one kind."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from collect.erase import Wish, erase_rows, find_doomed
from collect.feedback import Opinion, Said, feedback_of, record_opinions
from collect.own_data import own_data
from collect.scores import MAX_NAMES, Scored, record_scores, scores_by, scores_in
from collect.snapshot import write_snapshot
from collect.store import Cursor, Store
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import Message, Vote
from nightschool.scores import ScoreValue

from .conftest import AT, BOT, AddTurn

Tell = Callable[..., list[Message]]
Values = Mapping[str, ScoreValue | None]
ADA = "key:shop/ada"


def scored(of: Message, values: Values, *, voter: str = ADA, minute: int = 0, whole: bool = False) -> Scored:
    about = None if whole else of.message_id
    return Scored(of.conversation_id, about, voter, values, AT + timedelta(minutes=minute))


def give(
    cursor: Cursor, of: Message, values: Values, *, voter: str = ADA, minute: int = 0, whole: bool = False
) -> bool:
    [outcome] = record_scores(cursor, [scored(of, values, voter=voter, minute=minute, whole=whole)])
    if not isinstance(outcome, bool):
        raise outcome
    return outcome


def standing(cursor: Cursor, of: Message, *, voter: str = ADA, whole: bool = False) -> dict[str, ScoreValue | None]:
    about = None if whole else of.message_id
    found = scores_by(cursor, conversation_id=of.conversation_id, message_id=about, voter=voter)
    return {name: score.value for name, score in found.items()}


def rows(cursor: Cursor) -> int:
    return int(cursor.execute("select count(*) from scores").fetchall()[0][0])


def test_scores_come_back_as_they_were_given(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    values: Values = {"resolved": False, "accuracy": 0.8, "tone": "friendly"}
    assert give(cursor, said, values)
    assert give(cursor, said, {"resolved": True}, whole=True)
    assert standing(cursor, said) == values
    assert [type(standing(cursor, said)[name]) for name in values] == [bool, float, str]
    assert standing(cursor, said, whole=True) == {"resolved": True}
    assert standing(cursor, said, voter="key:shop/eve") == {}
    assert [score.name for score in scores_in(cursor, conversation_id=said.conversation_id)] == [
        "accuracy", "resolved", "resolved", "tone",
    ]  # fmt: skip


def test_the_same_again_changes_nothing_and_a_change_keeps_what_was(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    assert give(cursor, said, {"accuracy": 0.8})
    assert not give(cursor, said, {"accuracy": 0.8}, minute=5)
    assert rows(cursor) == 1
    assert give(cursor, said, {"accuracy": 0.9, "resolved": True}, minute=6)
    assert standing(cursor, said) == {"accuracy": 0.9, "resolved": True}
    assert give(cursor, said, {"accuracy": None}, minute=7)
    assert not give(cursor, said, {"accuracy": None}, minute=8)
    assert standing(cursor, said) == {"resolved": True}
    told = cursor.execute("select number from scores where name = 'accuracy' order by said_at").fetchall()
    assert told == [(0.8,), (0.9,), (None,)]


def test_what_is_said_now_counts_though_the_clock_was_set_back(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for minute, value in ((5, 0.1), (0, 0.2), (0, 0.3)):
        give(cursor, said, {"accuracy": value}, minute=minute)
    assert standing(cursor, said) == {"accuracy": 0.3}


def test_two_at_once_lose_neither(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    both = [scored(said, {"accuracy": 0.1, "tone": "cool"}), scored(said, {"accuracy": 0.2, "clear": True})]
    assert record_scores(cursor, both) == [True, True]
    assert standing(cursor, said) == {"accuracy": 0.2, "tone": "cool", "clear": True}


def test_a_name_keeps_the_kind_that_it_was_first_given(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    give(cursor, said, {"resolved": True})
    for values in ({"resolved": 1.0}, {"resolved": "yes"}, {"accuracy": 0.5, "resolved": 0.0}):
        with pytest.raises(InvalidInput, match="first given as a boolean") as refused:
            give(cursor, said, values)
        assert refused.value.param == "scores.resolved"
    assert standing(cursor, said) == {"resolved": True}
    _, elsewhere = tell(bot="reviewer")
    assert give(cursor, elsewhere, {"resolved": "half"})
    # The bot's file has the last word.
    one = replace(scored(said, {"resolved": 1.0}), declared=frozenset({"resolved"}))
    assert record_scores(cursor, [one]) == [True]
    assert (standing(cursor, said), type(standing(cursor, said)["resolved"])) == ({"resolved": 1.0}, float)
    with pytest.raises(InvalidInput, match="first given as a number"):
        give(cursor, said, {"resolved": False})


def test_of_several_one_that_is_refused_costs_the_others_nothing(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    lost = replace(scored(said, {"clear": True}), conversation_id="nothing")
    first, second, third = record_scores(cursor, [scored(said, {"clear": True}), scored(said, {"clear": "so"}), lost])
    assert first is True
    assert isinstance(second, InvalidInput)
    assert isinstance(third, NotFound)
    assert standing(cursor, said) == {"clear": True}


def test_names_are_measures_and_no_place_for_what_differs_each_time(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    for tens in range(MAX_NAMES // 10):
        give(cursor, said, {f"name {tens * 10 + one}": True for one in range(10)})
    with pytest.raises(InvalidInput, match=f"{MAX_NAMES} names"):
        give(cursor, said, {"one more": True})
    assert give(cursor, said, {"name 7": False})


def test_a_vote_and_scores_are_kept_together_or_not_at_all(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()

    def cast(vote: Vote | None, values: Values) -> object:
        told = Said(said.message_id, ADA, Opinion(vote, scores=values), AT, conversation_id=said.conversation_id)
        return record_opinions(cursor, [told])[0]

    cast(Vote.UP, {"accuracy": 0.5})
    assert standing(cursor, said) == {"accuracy": 0.5}
    assert isinstance(cast(Vote.DOWN, {"accuracy": "bad"}), InvalidInput)
    kept = feedback_of(cursor, message_id=said.message_id, voter=ADA)
    assert kept is not None
    assert kept.vote is Vote.UP
    cast(Vote.DOWN, {})
    assert standing(cursor, said) == {"accuracy": 0.5}  # another vote takes none along


def test_scores_alone_are_no_opinion(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    told = Said(said.message_id, ADA, Opinion(scores={"clear": True}), AT, conversation_id=said.conversation_id)
    record_opinions(cursor, [told])
    assert standing(cursor, said) == {"clear": True}
    assert feedback_of(cursor, message_id=said.message_id, voter=ADA) is None
    asked = replace(told, message_id=tell()[0].message_id)
    [refused] = record_opinions(cursor, [asked])
    assert isinstance(refused, InvalidInput)


def test_an_erasure_takes_scores_their_history_and_names_nobody_uses(cursor: Cursor, tell: Tell) -> None:
    _, gone = tell("And mine?", "Sent.", owner="key:shop/eve")
    _, kept = tell()
    for value in (0.1, 0.2):
        give(cursor, gone, {"accuracy": value, "eve's own": True})
    give(cursor, gone, {"resolved": True}, whole=True)
    give(cursor, kept, {"accuracy": 1.0})
    wish = Wish("e1", "conversation", gone.conversation_id, "ada", "asked", AT)
    told = erase_rows(cursor, wish=wish).about["rows"]
    assert (told["scores"]["rows"], told["score_kinds"]["rows"]) == (4, 2)
    assert rows(cursor) == 1
    assert cursor.execute("select name from score_kinds").fetchall() == [("accuracy",)]


def test_who_only_gave_scores_is_known_and_forgotten(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    give(cursor, said, {"resolved": True}, voter="key:boss", whole=True)
    give(cursor, said, {"resolved": True})
    assert find_doomed(cursor, kind="user", subject="key:boss").conversation_ids == ()
    erase_rows(cursor, wish=Wish("e1", "user", "key:boss", "ada", "asked", AT))
    assert cursor.execute("select voter from scores").fetchall() == [(ADA,)]


def test_a_person_takes_the_scores_of_their_chats_along(cursor: Cursor, tell: Tell) -> None:
    _, said = tell()
    give(cursor, said, {"tone": "cool"}, voter="key:boss")
    [score] = own_data(cursor, owner="browser:ada")["scores"]
    assert (score["message_id"], score["name"], score["category"]) == (said.message_id, "tone", "cool")


def test_a_snapshot_holds_none(cursor: Cursor, tell: Tell, tmp_path: Path) -> None:
    def taken(name: str) -> set[tuple[str, bytes]]:
        write_snapshot(cursor, bot=BOT, folder=tmp_path / name, at=AT)
        return {(file.name, file.read_bytes()) for file in (tmp_path / name).glob("*.parquet")}

    _, said = tell()
    before = taken("before")
    assert before
    give(cursor, said, {"tone": "cool"})
    give(cursor, said, {"tone": "cool"}, whole=True)
    assert taken("after") == before


async def test_many_askers_share_a_commit_and_what_is_acknowledged_stands(store: Store, add_turn: AddTurn) -> None:
    turn = await add_turn("Where?", "Here.")
    before = store.commits
    many = [scored(turn.said, {"accuracy": float(n)}, voter=f"key:{n}") for n in range(100)]
    assert set(await asyncio.gather(*(store.write_row(record_scores, one) for one in many))) == {True}
    assert store.commits - before < 50
    found = await store.read(partial(scores_in, conversation_id=turn.conversation.conversation_id))
    assert {score.value for score in found} == {float(n) for n in range(100)}
