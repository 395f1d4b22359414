"""Where votes came to stand in a dataset: in rows of which kind, on which side, or why in none.

A few are found among very many without a look at the others. Does not know how a dataset is made.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from nightschool.tables import read_rows
from tune.left_out import LEFT_OUT, LeftOut
from tune.rows import ITEMS
from tune.split import Side
from tune.words import VoteRef


class Standing(NamedTuple):
    kind: str
    """`sft`, `pairs`, `votes` or `questions`."""
    side: Side


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str
    side: Side
    votes: tuple[VoteRef, ...]


def find_standings(dataset: Path, votes: Collection[VoteRef]) -> dict[VoteRef, frozenset[Standing]]:
    """Of each of `votes`; none where no row was made of it. Raises InvalidInput where the dataset cannot be read."""
    found: dict[VoteRef, set[Standing]] = {vote: set() for vote in votes}
    answers = pa.array({vote.message_id for vote in votes}, pa.string())

    def about_answers(items: pa.RecordBatch) -> pa.RecordBatch:
        cast = items["votes"]
        is_sought = pc.is_in(pc.struct_field(cast.flatten(), "message_id"), value_set=answers)
        return items.take(pc.list_parent_indices(cast).filter(is_sought).unique())

    for item in read_rows(dataset / ITEMS, _Item, row="an item", narrow=about_answers):
        for vote in found.keys() & item.votes:
            found[vote].add(Standing(item.kind, item.side))
    return {vote: frozenset(standings) for vote, standings in found.items()}


def find_reason(dataset: Path, vote: VoteRef) -> str | None:
    """Why there is no row of a vote, for whoever cast it; None where that was not written down. Raises InvalidInput."""

    def of_vote(rows: pa.RecordBatch) -> pa.RecordBatch:
        return rows.filter(pc.and_(pc.equal(rows["message_id"], vote.message_id), pc.equal(rows["voter"], vote.voter)))

    file = dataset / LEFT_OUT
    if not file.exists():
        return None
    return next((row.reason for row in read_rows(file, LeftOut, row="a vote left out", narrow=of_vote)), None)
