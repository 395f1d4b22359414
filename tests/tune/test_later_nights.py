"""What a night decided holds in the next, whatever comes or goes between them."""

from pathlib import Path
from typing import Any

import pytest

from tune.dataset import read_sides
from tune.rows import read_sft_rows

from .conftest import SnapshotBuilder
from .test_dataset import build, fill

ONE = ("Where is my planter?", "On its way.")
TWO = (*ONE, "When will it come?", "On Friday.")


def night(record: SnapshotBuilder, folder: Path, *, name: str, **options: Any) -> dict[str, str]:
    """Build, and keep for good what is decided, as `deploy.known` has the record do."""
    folder = build(record, folder / "sets", name=name, **({"held_out_share": 0.4} | options)).folder
    sides: dict[str, str] = {**read_sides(folder)}
    for talk in record.rows["conversations"]:
        talk["side"] = talk["side"] or sides.get(str(talk["conversation_id"]))
    return sides


def forget(record: SnapshotBuilder, *names: str) -> None:
    for table in ("conversations", "messages"):
        record.rows[table] = [row for row in record.rows[table] if row["conversation_id"] not in names]


def test_a_conversation_that_is_deleted_between_nights_moves_no_other(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record, 30)
    for number in range(12):
        # Each browser's two chats repeat two questions of others, so that persons and near-duplicates cross.
        for place in (number, number + 5):
            text = f"how do I return planter {place % 6} to the shop by mail"
            record.vote(
                record.talk(f"b{number}-{place}", text, f"Like this: {place}.", owner=f"browser:{number}")[1], "up"
            )
    first = night(record, tmp_path, name="one")
    assert set(first.values()) == {"train", "held-out"}
    gone = ("c0", "c1", "b0-0", "b3-8")
    forget(record, *gone)
    for number in range(5):
        record.talk(f"new{number}", f"is item {number} of the other catalogue still to be had", f"Yes, {number}.")
    later = night(record, tmp_path, name="two", seed=5, held_out_share=0.6)
    assert {name: side for name, side in later.items() if name in first} == {
        name: side for name, side in first.items() if name not in gone
    }


@pytest.mark.parametrize("seed", range(4))
def test_a_dialogue_that_grows_on_the_second_night_keeps_its_side(
    record: SnapshotBuilder, tmp_path: Path, seed: int
) -> None:
    fill(record, 10)
    record.vote(record.talk("call0", *ONE, owner="key:shop")[-1], "up")
    first = night(record, tmp_path, name="one", seed=seed)
    record.vote(record.talk("call1", *TWO, owner="key:shop")[-1], "up")
    later = night(record, tmp_path, name="two", seed=seed + 10)
    assert later == first | {"call1": first["call0"]}


@pytest.mark.parametrize("side", ["train", "held-out"])
def test_a_dialogue_whose_first_call_is_deleted_stays_where_it_was(
    record: SnapshotBuilder, tmp_path: Path, side: str
) -> None:
    fill(record, 10)
    for number, turns in enumerate((ONE, TWO)):
        record.vote(record.talk(f"call{number}", *turns, owner="key:shop", side=side)[-1], "up")
    night(record, tmp_path, name="one")
    forget(record, "call0")
    assert night(record, tmp_path, name="two")["call1"] == side


@pytest.mark.parametrize("side", ["train", "held-out"])
def test_a_turn_that_is_added_is_learnt_or_asked_where_the_conversation_stands(
    record: SnapshotBuilder, tmp_path: Path, side: str
) -> None:
    fill(record, 10)
    *_, answer = record.talk("chat", *ONE, owner="browser:a", side=side)
    record.vote(answer, "up")
    night(record, tmp_path, name="one")
    question = record.say("chat", TWO[2], role="user", parent=answer)
    record.vote(record.say("chat", TWO[3], role="assistant", parent=question), "up")
    built = build(record, tmp_path / "sets", name="two", held_out_share=0.4)
    assert read_sides(built.folder)["chat"] == side
    (row,) = [
        row
        for name in ("train", "held_out")
        for row in read_sft_rows(built.folder / f"sft_{name}.parquet")
        if row.conversation_id == "chat" and (name == "train") == (side == "train")
    ]
    assert [message["content"] for message in row.messages][1:] == list(TWO)
