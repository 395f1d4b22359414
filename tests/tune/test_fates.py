"""A few votes are found among many, each on its sides."""

from pathlib import Path

import pytest

from nightschool.errors import InvalidInput
from tune.fates import Standing, find_standings
from tune.split import Side
from tune.words import VoteRef

from ..tables import write_table

ANNA, BEN, CARA = (VoteRef(message_id, voter) for message_id, voter in (("m1", "anna"), ("m1", "ben"), ("m2", "cara")))


def item(kind: str, side: str, *votes: VoteRef) -> dict[str, object]:
    return {"kind": kind, "side": side, "votes": [vote._asdict() for vote in votes]}


def test_each_vote_stands_where_its_own_rows_stand(tmp_path: Path) -> None:
    others = (item("votes", "train", VoteRef(f"other{number}", "anna")) for number in range(5_000))
    rows = [item("sft", "train"), item("sft", "train", ANNA, CARA), *others, item("pairs", "held-out", ANNA)]
    write_table(tmp_path / "items.parquet", rows)
    found = find_standings(tmp_path, [ANNA, BEN, CARA])
    learnt = Standing("sft", Side.TRAIN)
    assert found == {
        ANNA: {learnt, Standing("pairs", Side.HELD_OUT)},
        BEN: frozenset(),
        CARA: {learnt},
    }


def test_a_damaged_dataset_is_named(tmp_path: Path) -> None:
    (tmp_path / "items.parquet").write_text("no Parquet")
    with pytest.raises(InvalidInput, match=r"items\.parquet"):
        find_standings(tmp_path, [ANNA])
