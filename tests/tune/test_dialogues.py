"""A dialogue over the API is one conversation: one side, one row, and what was answered in it is learnt once."""

from pathlib import Path
from typing import Any

from tune.dataset import build_dataset, read_sides, read_trained
from tune.dialogues import join_dialogues
from tune.snapshot import read_snapshot

from ..tables import read_table

ONE = ("Where is my planter?", "On its way.")
TWO = (*ONE, "When will it come?", "On Friday.")
THREE = (*TWO, "And where to?", "To your door.")


def built(record: Any, folder: Path, *, name: str = "snapshot", **options: Any) -> tuple[Path, list[dict[str, Any]]]:
    given: dict[str, Any] = {"system_prompt": "Be kind.", "held_out_share": 0, "seed": 17} | options
    dataset = folder / "sets" / build_dataset(record.write(name), folder / "sets", **given).folder_name
    names = ("sft_train.parquet", "sft_held_out.parquet")
    return dataset, [row for name in names for row in read_table(dataset / name)]


def taught(row: dict[str, Any]) -> list[str]:
    return [m["content"] for m in row["messages"] if m["role"] == "assistant" and m.get("weight", 1)]


def test_calls_of_one_dialogue_are_one_conversation_whose_answers_are_learnt_once(record: Any, tmp_path: Path) -> None:
    for number, turns in enumerate((ONE, TWO, THREE)):
        record.vote(record.talk(f"call{number}", *turns, owner="key:shop")[-1], "up")
    dataset, rows = built(record, tmp_path)
    assert [(row["conversation_id"], taught(row)) for row in rows] == [
        ("call0", ["On its way.", "On Friday.", "To your door."])
    ]
    assert set(read_sides(dataset)) == {"call0", "call1", "call2"}
    assert len(set(read_sides(dataset).values())) == 1


def test_an_operators_ruling_on_one_call_teaches_once_though_later_calls_repeat_the_answer(
    record: Any, tmp_path: Path
) -> None:
    answers = [record.talk(f"call{n}", *turns, owner="key:shop")[-1] for n, turns in enumerate((ONE, TWO))]
    for answer in answers:
        record.review(answer, approved=True)
    _, rows = built(record, tmp_path)
    assert sorted(text for row in rows for text in taught(row)) == ["On Friday.", "On its way."]


def test_two_people_behind_one_key_are_two_dialogues(record: Any, tmp_path: Path) -> None:
    for person in "ab":
        record.talk(f"{person}1", "Hello!", "Hi.", owner="key:shop")
    for person, question in (("a", "Is it red?"), ("b", "Is it blue?")):
        record.talk(f"{person}2", "Hello!", "Hi.", question, "Yes.", owner="key:shop")
    joined = join_dialogues(read_snapshot(record.write()))
    assert sorted(len(talk.calls) for talk in joined.talks.values()) == [2, 2]


def test_another_key_another_history_and_the_chat_page_are_other_conversations(record: Any, tmp_path: Path) -> None:
    record.talk("first", *ONE, owner="key:shop")
    record.talk("other key", *TWO, owner="key:desk")
    record.talk("other answer", ONE[0], "It is lost.", *TWO[2:], owner="key:shop")
    record.vote(record.talk("page", *TWO, owner="browser:a")[1], "up")
    record.talk("import", *TWO)
    joined = join_dialogues(read_snapshot(record.write()))
    assert list(joined.talks) == ["first", "other key", "other answer", "page", "import"]
    assert all(not talk.calls for talk in joined.talks.values())


def test_a_caller_whose_instructions_change_by_the_minute_has_one_dialogue(record: Any, tmp_path: Path) -> None:
    record.vote(record.talk("call0", *ONE, owner="key:shop", system="It is 12:00.")[-1], "up")
    record.vote(record.talk("call1", *TWO, owner="key:shop", system="It is 12:01.")[-1], "up")
    _, rows = built(record, tmp_path)
    assert {row["conversation_id"] for row in rows} == {"call0"}
    # Each answer is learnt behind the instructions under which it was given.
    assert sorted((row["messages"][0]["content"][-5:-1], *taught(row)) for row in rows) == [
        ("2:00", "On its way."),
        ("2:01", "On Friday."),
    ]


def test_a_later_call_follows_the_side_of_its_dialogue(record: Any, tmp_path: Path) -> None:
    record.vote(record.talk("call0", *ONE, owner="key:shop", side="held-out")[-1], "up")
    record.vote(record.talk("call1", *TWO, owner="key:shop")[-1], "up")
    dataset, _ = built(record, tmp_path)
    assert read_sides(dataset) == {"call0": "held-out", "call1": "held-out"}
    dataset, _ = built(record, tmp_path, name="again", trained_before=frozenset({"call0"}))
    assert read_sides(dataset) == {"call0": "train", "call1": "train"}
    assert read_trained(dataset) == {"call0"}


def test_a_call_that_got_no_answer_begins_nothing(record: Any, tmp_path: Path) -> None:
    record.talk("failed", ONE[0], "", owner="key:shop")
    record.talk("call0", *ONE, owner="key:shop")
    record.talk("cut", ONE[0], owner="key:shop")
    assert list(join_dialogues(read_snapshot(record.write())).talks) == ["failed", "call0", "cut"]
