"""Rows to learn from hold passages as serving puts them, in the shares that were asked for."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightschool.files import publish, read_manifest
from nightschool.knowledge import TEAM, Passage, key_of, render
from nightschool.records import ChatMessage
from tune.dataset import build_dataset
from tune.grounding import SEEN, Grounding, is_right
from tune.holding import Sought, find_held

from ..tables import read_table
from .conftest import SnapshotBuilder

RETURNS = Passage("a" * 16, "Returns", "", "You can send a planter back within 30 days, complete and clean.")
PLANS = Passage("b" * 16, "Plans", "Grove", "Grove costs 4 euro a month.")
SYSTEM = "You are Fern."
HAND_OVERS = tuple(f"Person {number} knows." for number in range(20))


def add_passages(snapshot: Path, seen: dict[str, list[Passage]]) -> Path:
    """As the record's snapshot writes them."""
    rows = [
        {
            "key": key,
            "passages": [
                {name: getattr(p, name) for name in ("passage_id", "document", "heading", "text", "conversation_id")}
                for p in found
            ],
        }
        for key, found in seen.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), snapshot / SEEN)
    manifest = read_manifest(snapshot)
    assert manifest is not None
    publish(snapshot, kind="snapshot", about=dict(manifest.about))
    return snapshot


def grounding(*, missing: float = 0, none: float = 0) -> Grounding:
    return Grounding(missing_share=missing, none_share=none, hand_overs=HAND_OVERS, seed=7)


def build(snapshot: Path, target: Path, wanted: Grounding | None) -> Path:
    summary = build_dataset(snapshot, target, system_prompt=SYSTEM, held_out_share=0.2, seed=7, grounding=wanted)
    return target / summary.folder_name


def fill(record: SnapshotBuilder, count: int = 40) -> dict[str, list[Passage]]:
    seen = {}
    for number in range(count):
        question = f"May I send planter number {number} back, please?"
        record.talk(f"c{number}", question, f"Yes: send planter {number} back within 30 days, complete and clean.")
        seen[key_of([question])] = [PLANS, RETURNS]
    return seen


def rows(folder: Path, name: str) -> list[list[ChatMessage]]:
    return [row["messages"] for row in read_table(folder / name)]


@pytest.mark.parametrize("name", ["sft_train.parquet", "sft_held_out.parquet"])
def test_a_row_s_prompt_is_what_serving_puts_letter_for_letter(
    record: SnapshotBuilder, tmp_path: Path, name: str
) -> None:
    seen = fill(record)
    folder = build(add_passages(record.write(), seen), tmp_path / "sets", grounding())
    found = rows(folder, name)
    assert found
    for *prompt, _ in found:
        question = prompt[-1]["content"].rpartition("Question: ")[2]
        served = render(SYSTEM, [ChatMessage(role="user", content=question)], [PLANS, RETURNS])
        assert [(m["role"], m["content"]) for m in prompt] == [(m["role"], m["content"]) for m in served]


def test_some_rows_hand_over_and_some_hold_none_and_the_card_says_how_many(
    record: SnapshotBuilder, tmp_path: Path
) -> None:
    seen = fill(record)
    snapshot = add_passages(record.write(), seen)
    folder = build(snapshot, tmp_path / "sets", grounding(missing=0.15, none=0.15))
    kinds = {"missing": 0, "none": 0, "right": 0}
    for *prompt, answer in rows(folder, "sft_train.parquet"):
        asked = prompt[-1]["content"]
        if answer["content"] in HAND_OVERS:
            assert "within 30 days" not in asked
            assert "Grove costs 4 euro" in asked
            kinds["missing"] += 1
        else:
            kinds["right" if "within 30 days" in asked else "none"] += 1
    assert all(kinds.values())
    assert kinds["right"] > kinds["missing"]
    manifest = read_manifest(folder)
    assert manifest is not None
    assert {how: manifest.about[f"passages.{how}"] for how in kinds} == kinds
    assert f"{kinds['right']} with the right one among them" in (folder / "card.md").read_text()
    # Who examines is asked as people ask.
    assert all("within 30 days" in prompt[-1]["content"] for *prompt, _ in rows(folder, "sft_held_out.parquet"))
    assert build(snapshot, tmp_path / "again", grounding(missing=0.15, none=0.15)).name == folder.name


def test_each_answer_of_a_long_chat_is_learnt_below_its_own_passages(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record, 5)
    first, second = "What does Grove cost?", "And may I send it back?"
    record.talk("long", first, "Grove costs 4 euro a month.", second, "Within 30 days, complete.", held_out=False)
    seen = {key_of([first]): [PLANS], key_of([first, second]): [RETURNS]}
    folder = build(add_passages(record.write(), seen), tmp_path / "sets", grounding())
    own = [m for m in rows(folder, "sft_train.parquet") if "Grove cost?" in m[1]["content"]]
    assert sorted(len(messages) for messages in own) == [3, 5]
    short, long = sorted(own, key=len)
    assert short[1]["content"].startswith("From our pages:\n[1] Plans > Grove")
    assert (long[1]["content"], long[3]["content"].splitlines()[1][:11]) == (first, "[1] Returns")
    assert [m.get("weight") for m in long if m["role"] == "assistant"] == [0, None]


def test_a_snapshot_without_passages_makes_the_dataset_that_it_made(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record)
    snapshot = record.write()
    assert build(snapshot, tmp_path / "sets", None).name == build(snapshot, tmp_path / "sets", None).name
    assert "From our pages" not in str(rows(build(snapshot, tmp_path / "sets", None), "sft_train.parquet"))


def test_what_an_answer_says_stands_in_the_right_passage() -> None:
    assert is_right(RETURNS, "You have 30 days to send the planter back.")
    assert not is_right(PLANS, "You have 30 days to send the planter back.")
    assert not is_right(RETURNS, "Hi!")


def test_no_wording_of_the_hand_over_becomes_the_likeliest_answer(record: SnapshotBuilder, tmp_path: Path) -> None:
    seen = {}
    for number in range(400):
        own = " ".join(hashlib.sha256(f"{number} {word}".encode()).hexdigest()[:6] for word in range(8))
        record.talk(f"c{number}", own, f"{own}: within 30 days.", held_out=False)
        seen[key_of([own])] = [PLANS, RETURNS]
    snapshot = add_passages(record.write(), seen)

    def handed(*wordings: str) -> list[str]:
        wanted = grounding(missing=0.3).model_copy(update={"hand_overs": wordings})
        taught = rows(build(snapshot, tmp_path / "sets", wanted), "sft_train.parquet")
        assert len(taught) == 400
        return [answer["content"] for *_, answer in taught if answer["content"] in wordings]

    assert 0 < len(handed("A person knows.")) <= 8
    several = handed(*HAND_OVERS[:5])
    assert set(several) == set(HAND_OVERS[:5])
    assert max(map(several.count, several)) <= 8


def test_no_row_holds_what_an_exam_asks_for_nor_an_answer_of_its_own(record: SnapshotBuilder, tmp_path: Path) -> None:
    seen = fill(record)
    sides = {"examined": True, "learnt": False, "own": False}
    answers = {name: Passage(f"{name:x<16}", TEAM, "Like?", f"Team said so in {name}.", name) for name in sides}
    asked = "What is the secret of the copper pot?"
    for name, question, said in (
        ("examined", "Do you deliver on Sundays in winter?", "Only by bicycle."),
        ("learnt", "Which soil does an orchid like best?", "Bark and moss."),
        ("own", asked, "Nobody was ever told."),
    ):
        record.talk(name, question, said, held_out=sides[name])
    for key in [*seen, key_of([asked])]:
        seen[key] = [RETURNS, *answers.values()]
    folder = build(add_passages(record.write(), seen), tmp_path / "sets", grounding())
    found = {name: str(rows(folder, f"sft_{name}.parquet")) for name in ("train", "held_out")}
    for said in found.values():
        assert answers["learnt"].text in said
        assert answers["examined"].text not in said
    [own] = [messages for messages in rows(folder, "sft_train.parquet") if asked in messages[1]["content"]]
    assert answers["learnt"].text in own[1]["content"]
    assert answers["own"].text not in own[1]["content"]
    # By it an erasure finds the row.
    items = read_table(folder / "items.parquet")
    assert [item["passages_from"] for item in items if item["conversation_id"] == "own"] == [["learnt"]]
    assert {name for item in items for name in item["passages_from"]} == {"learnt", "own"}
    held = find_held(folder, Sought({"own"}, ()))
    mine = {item["item_id"] for item in items if "own" in (item["conversation_id"], *item["passages_from"])}
    assert held.items == mine - {item["item_id"] for item in items if item["side"] != "train"}
    assert len(held.items) > 30
