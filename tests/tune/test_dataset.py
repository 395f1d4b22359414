import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from nightschool.files import verify
from tune.dataset import DatasetSummary, build_dataset, read_items, read_sides, read_trained
from tune.rows import read_sft_rows

WORDS = "amber birch cedar dune elm fern grove heath iris jade kelp lotus moss nettle oak pine quince reed sage thyme"


class Built(DatasetSummary):
    folder: Path


def build(record: Any, target: Path, *, name: str = "snapshot", **options: Any) -> Built:
    given: dict[str, Any] = {"system_prompt": "Be kind.", "held_out_share": 0.2, "seed": 17} | options
    summary = build_dataset(record.write(name), target, **given)
    return Built(folder=target / summary.folder_name, **summary.model_dump())


def fill(record: Any, count: int, **options: Any) -> None:
    words = WORDS.split()
    for n in range(count):
        chosen = [words[(n * k + k * k) % 20] for k in range(2, 9)]
        record.talk(
            f"c{n}", f"what about {' '.join(chosen)} {n}", f"answer {n} {' '.join(reversed(chosen))}", **options
        )


def rows(summary: Built, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (summary.folder / name).read_text().splitlines()]


def test_the_folder_holds_what_its_manifest_and_summary_say(record: Any, tmp_path: Path) -> None:
    fill(record, 60)
    summary = build(record, tmp_path / "sets")
    assert verify(summary.folder).kind == "dataset"
    assert summary.folder.name == summary.content_hash[:16]
    train, held_out = rows(summary, "sft_train.jsonl"), rows(summary, "sft_held_out.jsonl")
    assert (len(train), len(held_out)) == (summary.train_rows, summary.held_out_rows)
    assert summary.held_out_conversations == len({row["conversation_id"] for row in held_out}) > 0
    assert not {row["group"] for row in train} & {row["group"] for row in held_out}
    assert all([m["role"] for m in row["messages"]] == ["system", "user", "assistant"] for row in train)
    assert f"| training | {len(train)} |" in (summary.folder / "card.md").read_text()


def test_card_and_summary_say_how_large_the_largest_group_is(record: Any, tmp_path: Path) -> None:
    for number in range(6):
        record.talk(f"same{number}", "How do I return a planter?", "Send it back within 30 days.")
    record.talk("other", "What does the Grove plan cost?", "Nine euros.")
    summary = build(record, tmp_path / "sets")
    told = "The largest group of near-duplicates holds 6 of 7 conversations (86%)."
    assert (summary.conversations, summary.largest_group, summary.repetition) == (7, 6, told)
    assert told in (summary.folder / "card.md").read_text()


def test_the_same_snapshot_gives_the_same_bytes_and_no_second_folder(record: Any, tmp_path: Path) -> None:
    fill(record, 30)
    first = build(record, tmp_path / "sets")
    again = build(record, tmp_path / "sets", name="again")
    elsewhere = build(record, tmp_path / "elsewhere", name="once more")
    assert first == again
    assert [p.name for p in (tmp_path / "sets").iterdir()] == [first.folder.name]
    assert elsewhere.content_hash == first.content_hash


def test_only_rows_that_were_not_trained_on_are_new(record: Any, tmp_path: Path) -> None:
    fill(record, 20, held_out=False)
    known = read_items(build(record, tmp_path / "sets").folder)
    assert len(known) == 20
    record.talk("later", "Is there anything new in the shop today?", "Yes, a blue planter.", held_out=False)
    summary = build(record, tmp_path / "sets", name="next", known_items=known)
    assert (summary.train_rows, summary.new_rows) == (21, 1)
    assert build(record, tmp_path / "sets", name="prompt", known_items=known, system_prompt="Other.").new_rows == 1


def test_what_repeats_a_held_out_question_is_not_trained_on_and_the_card_says_so(record: Any, tmp_path: Path) -> None:
    fill(record, 10, held_out=False)
    record.talk("twin", "How do I return a planter?", "Send it back.", held_out=False)
    record.talk("exam", "How can I return a planter?", "Pack it up, then send it back to us.", held_out=True)
    summary = build(record, tmp_path / "sets")
    assert {row["conversation_id"] for row in rows(summary, "sft_held_out.jsonl")} == {"exam"}
    assert "twin" not in {row["conversation_id"] for row in rows(summary, "sft_train.jsonl")}
    assert "| near-duplicate of the other side | 1 |" in (summary.folder / "card.md").read_text()


def test_an_equal_conversation_counts_once_but_never_against_the_exam(record: Any, tmp_path: Path) -> None:
    for name, mark in (("a", False), ("b", False), ("c", False), ("exam", True)):
        text = "Where is my order now?" if name in {"c", "exam"} else "What does the Grove plan cost?"
        record.talk(name, text, "See the page.", held_out=mark)
    summary = build(record, tmp_path / "sets")
    assert [row["conversation_id"] for row in rows(summary, "sft_train.jsonl")] == ["a"]
    assert [row["conversation_id"] for row in rows(summary, "sft_held_out.jsonl")] == ["exam"]


def test_pairs_and_votes_have_trls_shape_and_their_sources(record: Any, tmp_path: Path) -> None:
    question, worse = record.talk("c", "Refund?", "Never.", owner="browser:a", held_out=False)
    better = record.say("c", "Within 30 days.", role="assistant", parent=question)
    record.vote(worse, "down", voter="browser:x")
    record.vote(better, "up", voter="browser:y")
    summary = build(record, tmp_path / "sets")
    assert (summary.pairs, summary.votes) == (1, 2)
    (pair,) = rows(summary, "preferences.jsonl")
    assert pair["chosen"] == [{"role": "assistant", "content": "Within 30 days."}]
    assert pair["rejected"] == [{"role": "assistant", "content": "Never."}]
    assert [m["role"] for m in pair["prompt"]] == ["system", "user"]
    assert {(v["completion"][0]["content"], v["label"]) for v in rows(summary, "votes.jsonl")} == {
        ("Never.", False),
        ("Within 30 days.", True),
    }
    items = {item["item_id"]: item for item in rows(summary, "items.jsonl")}
    assert sorted(map(tuple, items[pair["item_id"]]["votes"])) == [(worse, "browser:x"), (better, "browser:y")]
    assert set(items[pair["item_id"]]["messages"]) == {question, worse, better}


def test_nothing_of_the_held_out_side_is_in_pairs_or_votes(record: Any, tmp_path: Path) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a", held_out=True)
    record.vote(answer, "down")
    record.review(answer, approved=True, corrected="Within 30 days.")
    summary = build(record, tmp_path / "sets")
    assert (summary.held_out_rows, summary.train_rows, summary.pairs, summary.votes) == (1, 0, 0, 0)


def test_the_folder_tells_sides_topics_and_what_it_trains_on(record: Any, tmp_path: Path) -> None:
    record.talk("a", "How do I return a planter?", "Send it back.", held_out=False, topic="returns")
    record.talk("b", "What does the Grove plan cost?", "See the page.", held_out=True)
    record.talk("twin", "How can I return a planter?", "Send it.", held_out=True)
    built = build(record, tmp_path / "sets")
    assert read_sides(built.folder) == {"b": "held-out", "twin": "held-out"}, "what stands between sides has none"
    assert read_trained(built.folder) == frozenset()
    record.talk("c", "Do you ship to Iceland by air?", "Yes.", held_out=False, topic="orders")
    built = build(record, tmp_path / "sets", name="next")
    assert read_trained(built.folder) == {"c"}
    assert [row["topic"] for row in rows(built, "sft_train.jsonl")] == ["orders"]
    assert {row["topic"] for row in rows(built, "sft_held_out.jsonl")} == {None}


def test_each_learnt_answer_says_by_whose_word_and_the_trainer_reads_it(record: Any, tmp_path: Path) -> None:
    words = {"like": "One?", "approval": "Two, or not?", "correction": "Three, or more?", "import": "Four of them?"}
    for number, (word, question) in enumerate(words.items()):
        owner = "import" if word == "import" else f"browser:{number}"
        _, answer = record.talk(word, question, f"{word} {number}.", owner=owner, held_out=False)
        if word == "like":
            record.vote(answer, "up")
        elif word != "import":
            record.review(answer, approved=True, corrected="Better." if word == "correction" else "")
    folder = build(record, tmp_path / "sets").folder
    read = list(read_sft_rows(folder / "sft_train.jsonl"))
    assert {row.conversation_id: row.messages[-1].get("origin") for row in read} == {word: word for word in words}
    assert all("origin" not in message for row in read for message in row.messages[:-1])


def test_an_empty_record_gives_an_empty_dataset(record: Any, tmp_path: Path) -> None:
    summary = build(record, tmp_path / "sets")
    assert (summary.train_rows, summary.held_out_rows, summary.new_rows) == (0, 0, 0)
    assert read_items(summary.folder) == frozenset()


def test_an_unfinished_snapshot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a finished snapshot"):
        build_dataset(tmp_path, tmp_path / "sets", system_prompt="x", held_out_share=0.1, seed=1)
    with pytest.raises(InvalidInput, match="not a finished dataset"):
        read_items(tmp_path)
