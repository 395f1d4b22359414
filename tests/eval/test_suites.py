from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.suites import count_witnesses, read_held_out, read_suite
from nightschool.errors import InvalidInput

from ..tables import write_table


def line(conversation: str, *turns: tuple[str, str, int]) -> dict[str, Any]:
    messages: list[dict[str, object]] = [{"role": "system", "content": "Be kind."}]
    for question, answer, weight in turns:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": answer, "weight": weight})
    return {"item_id": "i", "conversation_id": conversation, "group": "g", "messages": messages}


def write(folder: Path, *lines: dict[str, Any]) -> Path:
    write_table(folder / "sft_held_out.parquet", lines)
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


def test_people_are_counted_and_whoever_is_unknown_by_conversation(tmp_path: Path) -> None:
    said = ("Hi?", "Hello.", 1)
    people = {"a": "ada", "b": "ada", "c": "bob", "d": None, "e": None}
    rows = read_suite(
        write(tmp_path, *(line(name, said) | {"person": who} for name, who in people.items())), max_rows=9
    )
    assert {row.conversation_id: row.person for row in rows} == people
    assert count_witnesses(rows) == 4


def many(conversations: int, *, turns: int) -> list[dict[str, Any]]:
    return [line(f"c{i}", *((f"q{turn}", f"a{turn}", 1) for turn in range(turns))) for i in range(conversations)]


@pytest.mark.parametrize("turns", [1, 5, 7, 10])
def test_long_conversations_do_not_starve_the_exam(tmp_path: Path, turns: int) -> None:
    """With whole conversations 30 of 7 turns gave 17 of them, 30 of 10 turns 12: too few to judge."""
    asked = Counter(row.conversation_id for row in read_suite(write(tmp_path, *many(30, turns=turns)), max_rows=120))
    assert len(asked) == 30
    assert asked.total() == min(120, 30 * turns)
    assert max(asked.values()) - min(asked.values()) <= 1


def test_the_choice_does_not_depend_on_the_order_of_lines(tmp_path: Path) -> None:
    lines = many(20, turns=3)
    chosen = read_suite(write(tmp_path, *lines), max_rows=10)
    assert len({row.conversation_id for row in chosen}) == len(chosen) == 10
    assert read_suite(write(tmp_path, *reversed(lines)), max_rows=10) == chosen


def test_half_of_the_exam_stays_and_half_is_drawn_anew(tmp_path: Path) -> None:
    dataset = write(tmp_path, *many(60, turns=3))
    nights = [{row.row_id for row in read_suite(dataset, max_rows=40, rotation=f"night {n}")} for n in range(12)]
    assert {len(night) for night in nights} == {40}
    assert len(set.intersection(*nights)) == 20
    assert len(set.union(*nights)) > 100
    again = {row.row_id for row in read_suite(dataset, max_rows=40, rotation="night 3")}
    assert again == nights[3]
    everything = read_suite(dataset, max_rows=1_000, rotation="night 1")
    assert everything == read_suite(dataset, max_rows=1_000, rotation="night 2")


def test_the_exam_asks_what_people_wrote_or_approved_and_counts_likes_apart(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "Hi?"}]
    for origin in ("import", "correction", "approval", "like", None):
        said = {"role": "assistant", "content": f"by {origin}", "weight": 1} | ({"origin": origin} if origin else {})
        messages += [said, {"role": "user", "content": "And?"}]  # type: ignore[list-item]
    write(tmp_path, {"conversation_id": "c", "topic": "returns", "messages": messages})
    held_out = read_held_out(tmp_path)
    assert {row.reference for row in held_out.rows} == {"by import", "by correction", "by approval", "by None"}
    assert held_out.liked_rows == 1
    assert {row.topic for row in held_out.rows} == {"returns"}
    # What was liked was said all the same.
    assert any("by like" in [m["content"] for m in row.messages] for row in held_out.rows)


def test_nothing_held_out_is_an_empty_suite(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_suite(tmp_path, max_rows=10) == ()


def test_a_bad_row_is_named_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="row 2"):
        read_suite(write(tmp_path, line("c", ("q", "a", 1)), {"messages": []}), max_rows=10)
    with pytest.raises(InvalidInput, match="missing"):
        read_suite(tmp_path / "nowhere", max_rows=10)
