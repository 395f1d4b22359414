"""Where votes came to stand in a dataset: in rows of which kind, and on which side.

Does not know why one is in none.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from nightschool.tables import read_rows
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
