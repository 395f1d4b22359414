from pathlib import Path
from typing import Any

import pytest

from eval.exam import choose_primary, read_exam
from eval.rules import GateRules, Primary
from nightschool.errors import InvalidInput

from ..tables import write_table

RULES = GateRules(max_rows=9)


def line(conversation: str, group: str, *, origin: str = "import") -> dict[str, Any]:
    messages = [
        {"role": "user", "content": f"refund for {conversation}?"},
        {"role": "assistant", "content": "30 days.", "origin": origin},
    ]
    return {"item_id": "i", "conversation_id": conversation, "group": group, "messages": messages}


def write(folder: Path, *, train: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> Path:
    write_table(folder / "sft_train.parquet", train)
    write_table(folder / "sft_held_out.parquet", held_out)
    return folder


@pytest.mark.parametrize(
    ("trained", "overlap"),
    [
        ([], 0),
        (["t1"], 0),  # trained on, but unlike anything in the exam
        (["h1"], 1),  # the very conversation
        (["t2"], 1),  # a near-duplicate of h2
        (["h1", "t2", "gone"], 2),
    ],
)
def test_what_production_was_trained_on_is_counted_near_duplicates_too(
    tmp_path: Path, trained: list[str], overlap: int
) -> None:
    dataset = write(
        tmp_path, train=[line("t1", "a"), line("t2", "b")], held_out=[line("h1", "c"), line("h2", "b"), line("h3", "d")]
    )
    exam = read_exam(dataset, rules=RULES, rotation="", production_trained=frozenset(trained))
    assert exam.facts.production_overlap == overlap
    assert len(exam.rows) == 3


def test_liked_answers_are_counted_but_not_asked(tmp_path: Path) -> None:
    dataset = write(tmp_path, train=[], held_out=[line("h1", "c"), line("h2", "b", origin="like")])
    exam = read_exam(dataset, rules=RULES, rotation="", production_trained=frozenset({"h2"}))
    assert [row.conversation_id for row in exam.rows] == ["h1"]
    assert (exam.facts.liked_rows, exam.facts.production_overlap) == (1, 0)


def test_a_spoilt_row_is_named(tmp_path: Path) -> None:
    dataset = write(tmp_path, train=[{"group": None}], held_out=[line("h1", "c")])
    with pytest.raises(InvalidInput, match=r"sft_train\.parquet, row 1"):
        read_exam(dataset, rules=RULES, rotation="", production_trained=frozenset({"h1"}))


@pytest.mark.parametrize(
    ("ordered", "witnesses", "votes_can_judge", "chosen"),
    [
        ("auto", 20, True, "token_f1"),
        ("auto", 19, True, "vote_margin"),
        ("auto", 19, False, "token_f1"),
        ("rouge_l", 0, True, "rouge_l"),
        ("vote_margin", 99, False, "vote_margin"),
    ],
)
def test_the_primary_metric_is_chosen_by_what_data_there_is_where_the_file_leaves_it_open(
    ordered: Primary, witnesses: int, chosen: Primary, *, votes_can_judge: bool
) -> None:
    choice = choose_primary(GateRules(primary=ordered), witnesses=witnesses, votes_can_judge=votes_can_judge)
    assert choice.primary == chosen
    assert bool(choice.why) == (ordered == "auto")
