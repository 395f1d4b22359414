import json
from collections import Counter
from pathlib import Path

import pytest

from eval.suites import read_suite
from nightschool.errors import InvalidInput


def line(conversation: str, *turns: tuple[str, str, int]) -> str:
    messages: list[dict[str, object]] = [{"role": "system", "content": "Be kind."}]
    for question, answer, weight in turns:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer, "weight": weight})
    return json.dumps({"item_id": "i", "conversation_id": conversation, "group": "g", "messages": messages})


def write(folder: Path, *lines: str) -> Path:
    (folder / "sft_held_out.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_one_row_for_each_weighted_answer_with_what_was_said_before(tmp_path: Path) -> None:
    write(tmp_path, line("c", ("Hi?", "Hello.", 0), ("Refund?", "30 days.", 1), ("Sure?", "Yes.", 1)))
    first, second = sorted(read_suite(tmp_path, max_rows=9), key=lambda row: len(row.messages))
    assert (first.reference, second.reference) == ("30 days.", "Yes.")
    assert [message["content"] for message in first.messages] == ["Be kind.", "Hi?", "Hello.", "Refund?"]
    assert second.messages[-2:] == (
        {"role": "assistant", "content": "30 days."},
        {"role": "user", "content": "Sure?"},
    )


def test_a_turn_shared_by_two_branches_counts_once(tmp_path: Path) -> None:
    shared = ("Hi?", "Hello.", 1)
    write(tmp_path, line("c", shared, ("A?", "a", 1)), line("c", shared, ("B?", "b", 1)), line("d", shared))
    assert Counter(row.reference for row in read_suite(tmp_path, max_rows=9)) == {"Hello.": 2, "a": 1, "b": 1}


def test_whole_conversations_are_chosen_whatever_the_order_of_lines(tmp_path: Path) -> None:
    lines = [line(f"c{i}", (f"q{i}", "a", 1), (f"r{i}", "b", 1), (f"s{i}", "c", 1)) for i in range(20)]
    chosen = read_suite(write(tmp_path, *lines), max_rows=10)
    assert set(Counter(row.conversation_id for row in chosen).values()) == {3}
    assert len(chosen) == 9
    assert read_suite(write(tmp_path, *reversed(lines)), max_rows=10) == chosen
    wider = read_suite(write(tmp_path, *lines), max_rows=20)
    assert {row.row_id for row in chosen} < {row.row_id for row in wider}


def test_nothing_held_out_is_an_empty_suite(tmp_path: Path) -> None:
    (tmp_path / "sft_held_out.jsonl").touch()
    assert read_suite(tmp_path, max_rows=10) == ()


def test_a_bad_line_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="line 2"):
        read_suite(write(tmp_path, line("c", ("q", "a", 1)), '{"messages": []}'), max_rows=10)
    with pytest.raises(InvalidInput, match="missing"):
        read_suite(tmp_path / "nowhere", max_rows=10)
