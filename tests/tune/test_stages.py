from pathlib import Path
from typing import Any

import pytest

from nightschool.methods import METHODS
from tune.recipe import Recipe
from tune.stages import RowCounts, StageLine, choose_stages, read_stages, tell, write_stages

ALL = ("sft", "dpo", "kto", "reward")


def recipe(**changes: Any) -> Recipe:
    return Recipe(**{"base_model": "m", "dataset": "d", "methods": ALL} | changes)


@pytest.mark.parametrize(
    ("counts", "methods", "expected"),
    [
        (RowCounts(60, 50, 80, 20), ALL, ALL),
        (RowCounts(60, 49, 80, 20), ALL, ("sft", "kto")),
        (RowCounts(60, 50, 80, 19), ALL, ("sft", "dpo", "reward")),  # 99 votes
        (RowCounts(60, 50, 200, 0), ALL, ("sft", "dpo", "reward")),  # one-sided
        (RowCounts(60, 50, 0, 200), ALL, ("sft", "dpo", "reward")),
        (RowCounts(60, 50, 181, 19), ALL, ("sft", "dpo", "reward")),
        (RowCounts(60, 0, 0, 0), ALL, ("sft",)),
        (RowCounts(0, 50, 0, 0), ALL, ("dpo", "reward")),
        (RowCounts(60, 50, 80, 20), ("kto",), ("kto",)),
        (RowCounts(0, 0, 0, 0), ALL, ()),
    ],
)
def test_a_night_chooses_by_what_there_is(counts: RowCounts, methods: Any, expected: tuple[str, ...]) -> None:
    choices = choose_stages(recipe(methods=methods), counts)
    assert [choice.method for choice in choices] == list(METHODS)
    assert tuple(choice.method for choice in choices if choice.runs) == expected


def test_each_choice_says_why() -> None:
    choices = choose_stages(recipe(methods=("sft", "kto")), RowCounts(3, 7, 200, 0))
    assert [(choice.why, choice.rows) for choice in choices[:3]] == [
        ("3 rows with answers to imitate", 3),
        ("recipe.methods leaves it out", 7),
        ("200 votes up and 0 down; recipe.min_votes_each asks for 20 of either kind", 200),
    ]
    few = choose_stages(recipe(), RowCounts(3, 7, 30, 30))
    assert few[1].why == "7 pairs; recipe.min_pairs asks for 50"
    assert few[2].why == "60 votes; recipe.min_votes asks for 100"


def test_questions_are_answered_where_there_are_some_and_made_rows_are_told() -> None:
    order = recipe(methods=("sft", "reward", "rejection"))
    counts = RowCounts(60, 50, 0, 0, questions=3, made=7)
    found = {choice.method: choice for choice in choose_stages(order, counts)}
    assert (found["rejection"].runs, found["rejection"].why) == (True, "3 questions without a good answer")
    assert found["sft"].why == "60 rows with answers to imitate, 7 of them made by a machine"
    assert not {c.method: c.runs for c in choose_stages(order, counts._replace(questions=0))}["rejection"]


def test_rows_that_are_known_already_are_counted_where_they_are_left_out() -> None:
    assert choose_stages(recipe(), RowCounts(60, 0, 0, 0, skipped=9))[0].why == (
        "60 rows with answers to imitate; 9 more are known already (recipe.skip_loss)"
    )


def test_grpo_wants_questions_and_a_judge_that_may_be_trusted() -> None:
    order = recipe(methods=("sft", "reward", "grpo"), min_questions=3)
    counts = RowCounts(60, 50, 0, 0, questions=3)
    found = [
        choose_stages(order, c)[-1] for c in (counts, counts._replace(questions=2), counts._replace(distrust="no"))
    ]
    assert [choice.runs for choice in found] == [True, False, False]
    assert found[2].why == "3 questions without a good answer; recipe.min_questions asks for 3; no"
    whole = order.model_copy(update={"adapter": "full"})
    assert choose_stages(whole, counts)[-1].why.endswith("; it learns by an adapter only, and recipe.adapter is full")


def test_a_line_is_told_once_and_in_its_place(tmp_path: Path) -> None:
    sft, judge = (
        StageLine(method=method, ran=True, why="", rows=1, steps=1, seconds=1) for method in ("sft", "reward")
    )
    for line in (judge, sft, judge.model_copy(update={"ran": False})):
        tell(tmp_path, line)
    assert read_stages(tmp_path) == [sft, judge]


def test_what_was_told_is_read_again(tmp_path: Path) -> None:
    assert read_stages(tmp_path) == []
    lines = [
        StageLine(method="sft", ran=True, why="3 rows", rows=3, steps=4, seconds=1.5),
        StageLine(method="dpo", ran=False, why="no pair", rows=0, steps=0, seconds=0),
    ]
    write_stages(tmp_path, lines)
    assert read_stages(tmp_path) == lines
