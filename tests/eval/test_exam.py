import json
from pathlib import Path

import pytest

from eval.exam import read_exam
from nightschool.errors import InvalidInput


def line(conversation: str, group: str, *, origin: str = "import") -> str:
    messages = [
        {"role": "user", "content": f"refund for {conversation}?"},
        {"role": "assistant", "content": "30 days.", "origin": origin},
    ]
    return json.dumps({"item_id": "i", "conversation_id": conversation, "group": group, "messages": messages})


def write(folder: Path, *, train: list[str], held_out: list[str]) -> Path:
    (folder / "sft_train.jsonl").write_text("".join(f"{line}\n" for line in train))
    (folder / "sft_held_out.jsonl").write_text("".join(f"{line}\n" for line in held_out))
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
    exam = read_exam(dataset, max_rows=9, rotation="", production_trained=frozenset(trained))
    assert exam.facts.production_overlap == overlap
    assert len(exam.rows) == 3


def test_liked_answers_are_counted_but_not_asked(tmp_path: Path) -> None:
    dataset = write(tmp_path, train=[], held_out=[line("h1", "c"), line("h2", "b", origin="like")])
    exam = read_exam(dataset, max_rows=9, rotation="", production_trained=frozenset({"h2"}))
    assert [row.conversation_id for row in exam.rows] == ["h1"]
    assert (exam.facts.liked_rows, exam.facts.production_overlap) == (1, 0)


def test_a_spoilt_line_is_named(tmp_path: Path) -> None:
    dataset = write(tmp_path, train=["{}"], held_out=[line("h1", "c")])
    with pytest.raises(InvalidInput, match=r"sft_train\.jsonl, line 1"):
        read_exam(dataset, max_rows=9, rotation="", production_trained=frozenset({"h1"}))
