import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightschool.errors import InvalidInput
from nightschool.files import publish, verify
from nightschool.records import ChatMessage
from tune.dataset import DatasetSummary, build_dataset, is_usable, read_items, read_sides, read_trained
from tune.rows import PairRow, VoteRow, read_pairs, read_sft_rows, read_votes
from tune.split import Side

from ..tables import read_table
from .conftest import SnapshotBuilder

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
    return read_table(summary.folder / name)


def test_the_folder_holds_what_its_manifest_and_summary_say(record: Any, tmp_path: Path) -> None:
    fill(record, 60)
    summary = build(record, tmp_path / "sets")
    assert verify(summary.folder).kind == "dataset"
    assert summary.folder.name == summary.content_hash[:16]
    train, held_out = rows(summary, "sft_train.parquet"), rows(summary, "sft_held_out.parquet")
    assert (len(train), len(held_out)) == (summary.train_rows, summary.held_out_rows)
    assert summary.held_out_conversations == len({row["conversation_id"] for row in held_out}) > 0
    assert not {row["group"] for row in train} & {row["group"] for row in held_out}
    assert all([m["role"] for m in row["messages"]] == ["system", "user", "assistant"] for row in train)
    assert f"| training | {len(train)} |" in (summary.folder / "card.md").read_text()


def test_rows_carry_a_hash_of_who_spoke_where_that_is_one_person(record: Any, tmp_path: Path) -> None:
    owners = {"a": "ada", "b": "ada", "c": "bob", "d": "import", "e": "key:shop"}
    for number, (name, owner) in enumerate(owners.items()):
        _, answer = record.talk(
            name, f"Question {WORDS.split()[number]}?", f"Answer {WORDS.split()[-number]}.", owner=owner
        )
        record.review(answer, approved=True)
    built = build(record, tmp_path / "sets")
    found = rows(built, "sft_train.parquet") + rows(built, "sft_held_out.parquet")
    # When an import was said is not known: it comes in on one day, however old it is.
    days = {row["conversation_id"]: row.get("day") for row in found}
    assert [name for name, day in days.items() if day is None] == ["d"]
    person = {row["conversation_id"]: row.get("person") for row in found}
    assert person["a"] == person["b"] != person["c"]
    assert (person["d"], person["e"]) == (None, None)
    assert not {"ada", "bob"} & set(person.values())


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
    # For other trainers, less what is held out.
    assert (first.folder / "trl_sft.jsonl").read_bytes().count(b"\n") == first.train_rows < 30
    assert (first.folder / "dataset_info.json").exists()


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
    assert {row["conversation_id"] for row in rows(summary, "sft_held_out.parquet")} == {"exam"}
    assert "twin" not in {row["conversation_id"] for row in rows(summary, "sft_train.parquet")}
    assert "| near-duplicate of the other side | 1 |" in (summary.folder / "card.md").read_text()


def test_an_equal_conversation_counts_once_but_never_against_the_exam(record: Any, tmp_path: Path) -> None:
    for name, mark in (("a", False), ("b", False), ("c", False), ("exam", True)):
        text = "Where is my order now?" if name in {"c", "exam"} else "What does the Grove plan cost?"
        record.talk(name, text, "See the page.", held_out=mark)
    summary = build(record, tmp_path / "sets")
    assert [row["conversation_id"] for row in rows(summary, "sft_train.parquet")] == ["a"]
    assert [row["conversation_id"] for row in rows(summary, "sft_held_out.parquet")] == ["exam"]


def test_pairs_and_votes_are_typed_rows_with_their_sources(record: Any, tmp_path: Path) -> None:
    question, worse = record.talk("c", "Refund?", "Never.", owner="browser:a", held_out=False)
    better = record.say("c", "Within 30 days.", role="assistant", parent=question)
    record.vote(worse, "down", voter="browser:x")
    record.vote(better, "up", voter="browser:y")
    summary = build(record, tmp_path / "sets")
    assert (summary.pairs, summary.votes) == (1, 2)
    prompt = (ChatMessage(role="system", content="Be kind."), ChatMessage(role="user", content="Refund?"))
    (pair,) = read_pairs(summary.folder, Side.TRAIN)
    assert pair == PairRow(
        item_id=pair.item_id, conversation_id="c", prompt=prompt, chosen="Within 30 days.", rejected="Never."
    )
    votes = list(read_votes(summary.folder, Side.TRAIN))
    assert votes == [
        VoteRow(item_id=vote.item_id, conversation_id="c", prompt=prompt, answer=answer, is_good=is_good)
        for vote, (answer, is_good) in zip(votes, [("Never.", False), ("Within 30 days.", True)], strict=True)
    ]
    items = {item["item_id"]: item for item in rows(summary, "items.parquet")}
    voted = [(vote["message_id"], vote["voter"]) for vote in items[pair.item_id]["votes"]]
    assert sorted(voted) == [(worse, "browser:x"), (better, "browser:y")]
    assert set(items[pair.item_id]["messages"]) == {question, worse, better}


def test_pairs_and_votes_of_the_held_out_side_measure_and_are_not_trained_on(record: Any, tmp_path: Path) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a", held_out=True)
    record.vote(answer, "down")
    record.review(answer, approved=True, corrected="Within 30 days.")
    summary = build(record, tmp_path / "sets")
    assert (summary.held_out_rows, summary.train_rows, summary.pairs, summary.votes) == (1, 0, 0, 0)
    assert (summary.held_out_pairs, summary.held_out_votes) == (1, 1)
    assert not [*read_pairs(summary.folder, Side.TRAIN), *read_votes(summary.folder, Side.TRAIN)]
    (pair,) = read_pairs(summary.folder, Side.HELD_OUT)
    (vote,) = read_votes(summary.folder, Side.HELD_OUT)
    assert (pair.chosen, pair.rejected, vote.answer, vote.is_good) == ("Within 30 days.", "Never.", "Never.", False)
    assert "1 held out" in (summary.folder / "card.md").read_text()


def test_the_manifest_says_counts_reasons_sources_and_versions(record: Any, tmp_path: Path) -> None:
    fill(record, 5, held_out=False)
    record.vote(record.talk("down", "What is the red one?", "Blue.", owner="browser:a", held_out=False)[1], "down")
    manifest = verify(build(record, tmp_path / "sets").folder)
    about = manifest.about
    assert (about["schema"], about["rows.sft_train"], about["rows.votes_train"]) == (2, 5, 1)
    assert (about["left_out.voted down"], about["source.import"], about["source.chat"]) == (1, 5, 1)
    assert about.keys() >= {"nightschool", "pyarrow", "snapshot_hash", "seed", "held_out_share", "rows.pairs_held-out"}


@settings(max_examples=8, deadline=None)
@given(st.randoms())
def test_the_order_of_a_snapshots_rows_changes_no_byte(chance: Any) -> None:
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        record = SnapshotBuilder(folder)
        fill(record, 12)
        for number, (owner, vote) in enumerate((("browser:a", "up"), ("browser:b", "down"), ("key:shop", "up"))):
            question, answer = record.talk(f"t{number}", f"Is it {owner} or not at all?", "Yes.", owner=owner)
            record.vote(answer, vote, voter=owner)
            record.vote(record.say(f"t{number}", "No.", role="assistant", parent=question), "up", voter="browser:z")
            record.review(answer, approved=bool(number), corrected="Maybe." if number == 2 else "")
        first = build(record, folder / "sets")
        for table in record.rows.values():
            chance.shuffle(table)
        again = build(record, folder / "sets", name="again")
        assert again == first


def test_a_dataset_of_json_lines_still_tells_what_was_learnt_from_it(record: Any, tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    learnt = {"item_id": "i1", "kind": "sft", "side": "train", "conversation_id": "c"}
    lines = [learnt, learnt | {"item_id": "i2", "side": "held-out"}, learnt | {"item_id": "i3", "kind": "vote"}]
    (tmp_path / "old" / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "old" / "sft_train.jsonl").write_text(json.dumps({"item_id": "i1", "conversation_id": "c"}) + "\n")
    publish(tmp_path / "old", kind="dataset")
    assert (read_items(tmp_path / "old"), read_trained(tmp_path / "old")) == (frozenset({"i1"}), frozenset({"c"}))
    assert not is_usable(tmp_path / "old")
    with pytest.raises(InvalidInput, match="JSON lines, as version 0"):
        list(read_sft_rows(tmp_path / "old" / "sft_train.parquet"))
    assert is_usable(build(record, tmp_path / "sets").folder)


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
    assert [row["topic"] for row in rows(built, "sft_train.parquet")] == ["orders"]
    assert not any("topic" in row for row in rows(built, "sft_held_out.parquet"))


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
    read = list(read_sft_rows(folder / "sft_train.parquet"))
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


PASSAGE = (
    "Pack the planter in its own box, put the printed label on top and bring it to any parcel shop within 30 days."
)


TALK = "Congratulations, what a present! My sister has three of them on her balcony and waters none. You can do this:"


def teach_what_is_asked(record: Any) -> None:
    """Two rows, a pair and a vote that hold a passage of the exam, in conversations that are no near-duplicates."""
    record.talk("exam", "How do I return a planter?", PASSAGE, side="held-out")
    record.talk("copy", "My aunt got two of them for her birthday, what now?", f"{TALK} {PASSAGE}", side="train")
    question, worse = record.talk("voted", "And now?", "Ask somebody else.", owner="browser:a", side="train")
    better = record.say(
        "voted",
        f"Dear friend, {PASSAGE} Greet your neighbours, their cat and all of their many plants from every one of us.",
        role="assistant",
        parent=question,
    )
    record.vote(worse, "down")
    record.vote(better, "up")


def test_no_row_pair_or_vote_holds_what_the_exam_asks(record: Any, tmp_path: Path) -> None:
    teach_what_is_asked(record)
    fill(record, 5, held_out=False)
    summary = build(record, tmp_path / "sets")
    assert (summary.held_out_rows, summary.train_rows, summary.pairs, summary.votes) == (1, 5, 0, 1)
    assert verify(summary.folder).about["left_out.rows, pairs and votes that hold what an exam asks"] == 4
    assert "| rows, pairs and votes that hold what an exam asks | 4 |" in (summary.folder / "card.md").read_text()


def test_nor_what_a_further_suite_asks(record: Any, tmp_path: Path) -> None:
    record.talk("copy", "My aunt got two of them for her birthday, what now?", PASSAGE, held_out=False)
    fill(record, 5, held_out=False)
    suite = tmp_path / "suite.jsonl"
    asked = [{"role": "user", "content": "Return?"}, {"role": "assistant", "content": f"Sure. {PASSAGE}"}]
    suite.write_text(json.dumps({"messages": asked}) + "\n")
    assert build(record, tmp_path / "sets").train_rows == 6
    summary = build(record, tmp_path / "sets", name="again", suites=[suite])
    assert summary.train_rows == 5
    assert "of the 1 turns of further suites" in (summary.folder / "card.md").read_text()
    with pytest.raises(InvalidInput, match=r"recipe\.suites"):
        build(record, tmp_path / "sets", name="gone", suites=[tmp_path / "gone.jsonl"])


def test_rows_of_rare_topics_weigh_more_where_the_bots_file_says_so(record: Any, tmp_path: Path) -> None:
    fill(record, 8, held_out=False, topic="returns")
    record.talk(
        "rare", "Which planter suits a balcony to the north?", "The small one.", topic="balconies", held_out=False
    )
    record.talk("none", "Who made the red one with the white lid?", "We did.", held_out=False)

    def weights(summary: Built) -> dict[str | None, float]:
        return {row.get("topic"): row["weight"] for row in rows(summary, "sft_train.parquet")}

    assert set(weights(build(record, tmp_path / "sets")).values()) == {1.0}
    balanced = build(record, tmp_path / "sets", name="balanced", topic_ratio=3)
    found = weights(balanced)
    assert found["balconies"] == pytest.approx(3 * found["returns"], rel=1e-3)
    assert 8 * found["returns"] + found["balconies"] == pytest.approx(9, rel=1e-3)
    assert found[None] == 1
    assert "weighs up to 3 times as much" in (balanced.folder / "card.md").read_text()
