"""Old thumbs and torn ones count less; what an operator said counts until they say otherwise."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tune.select import Selection, select_rows
from tune.snapshot import read_snapshot
from tune.weigh import fade

from .test_select import PROMPT, learnt


def select(record: Any, *, half_life_days: float = 30) -> Selection:
    return select_rows(read_snapshot(record.write()), system_prompt=PROMPT, half_life_days=half_life_days)


def weights(selection: Selection) -> list[float]:
    return [lesson.weight for lesson in selection.lessons]


def like(record: Any, name: str, answer: str = "30 days.", *, ups: int = 1, downs: int = 0) -> str:
    _, said = record.talk(name, f"Refund for {name}?", answer, owner=f"browser:{name}")
    for number in range(ups + downs):
        record.vote(said, "up" if number < ups else "down", voter=f"browser:{name}{number}")
    return str(said)


@pytest.mark.parametrize(("days", "left"), [(0, 1), (15, 0.5**0.5), (30, 0.5), (60, 0.25), (-3, 1)])
def test_a_weight_halves_every_half_life(days: float, left: float) -> None:
    assert fade(timedelta(days=days), half_life_days=30) == pytest.approx(left)
    assert fade(timedelta(days=days), half_life_days=0) == 1


def test_an_old_like_counts_less_and_a_very_old_one_not_at_all(record: Any) -> None:
    like(record, "ancient")
    record.wait(days=150)
    like(record, "old")
    record.wait(days=60)
    like(record, "new")
    selection = select(record)
    assert weights(selection) == pytest.approx([0.25, 1], abs=1e-3)
    assert [rated.weight for rated in selection.rated] == weights(selection)
    assert selection.left_out == {"votes so old that they are forgotten": 1}


def test_a_like_is_as_old_as_its_newest_voice(record: Any) -> None:
    said = like(record, "a")
    record.wait(days=60)
    record.vote(said, "up", voter="browser:later")
    assert weights(select(record)) == pytest.approx([1], abs=1e-3)


def test_what_operators_said_or_brought_does_not_age(record: Any) -> None:
    record.talk("i", "What does the plan cost?", "Nine euros.")
    _, approved = record.talk("a", "Refund?", "30 days.", owner="browser:a")
    record.review(approved, approved=True)
    _, corrected = record.talk("b", "Shipping?", "Never.", owner="browser:b")
    record.vote(corrected, "down")
    record.review(corrected, approved=True, corrected="Two days.")
    record.wait(days=2_000)
    selection = select(record)
    assert weights(selection) == [1, 1, 1]
    assert [pair.weight for pair in selection.pairs] == [1]
    assert [(rated.answer, rated.weight) for rated in selection.rated] == [("Never.", 1)]


def test_a_torn_answer_counts_less_than_an_agreed_one(record: Any) -> None:
    like(record, "torn", ups=2, downs=1)
    like(record, "agreed", ups=3)
    like(record, "bad", ups=1, downs=4)
    selection = select(record, half_life_days=0)
    assert weights(selection) == pytest.approx([1 / 3, 1], abs=1e-3)
    assert [(rated.is_good, rated.weight) for rated in selection.rated] == [(True, 0.3333), (True, 1), (False, 0.6)]


def test_a_row_of_several_answers_weighs_their_mean(record: Any) -> None:
    _, first, _, second = record.talk("c", "Refund?", "30 days.", "Shipping?", "Two days.", owner="browser:a")
    record.vote(first, "up")
    record.review(second, approved=True)
    record.wait(days=30)
    assert weights(select(record)) == pytest.approx([0.75], abs=1e-3)


def test_a_forgotten_dislike_leaves_nothing_of_a_pair(record: Any) -> None:
    asked, worse = record.talk("c", "Refund?", "Never.", owner="browser:a")
    record.vote(worse, "down")
    record.wait(days=400)
    record.vote(record.say("c", "30 days.", role="assistant", parent=asked), "up")
    selection = select(record)
    assert learnt(selection) == ["30 days."]
    assert (selection.pairs, len(selection.rated)) == ((), 1)


def test_where_nothing_fades_nothing_is_forgotten(record: Any) -> None:
    like(record, "a")
    record.wait(days=5_000)
    assert weights(select(record, half_life_days=0)) == [1]


def test_the_same_snapshot_gives_the_same_weights(record: Any, tmp_path: Path) -> None:
    like(record, "a")
    record.wait(days=45)
    folder = record.write()
    chosen = [
        select_rows(read_snapshot(folder), system_prompt=PROMPT, half_life_days=30).lessons[0].weight for _ in "ab"
    ]
    assert chosen == [0.3536] * 2
