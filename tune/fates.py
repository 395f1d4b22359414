"""Where a vote came to stand in a dataset: in rows of which kind, and on which side.

Does not know why one is in none.
"""

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.tables import read_rows
from tune.rows import ITEMS
from tune.split import Side


class Standing(NamedTuple):
    kind: str
    """`sft`, `pairs`, `votes` or `questions`."""
    side: Side


class _Vote(BaseModel):
    model_config = ConfigDict(frozen=True)

    message_id: str
    voter: str


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True)

    kind: str
    side: Side
    votes: tuple[_Vote, ...]


def find_standings(dataset: Path, *, message_id: str, voter: str) -> frozenset[Standing]:
    """None where no row was made of it. Raises InvalidInput where the dataset cannot be read."""
    sought = _Vote(message_id=message_id, voter=voter)
    items = read_rows(dataset / ITEMS, _Item, row="an item")
    return frozenset(Standing(item.kind, item.side) for item in items if sought in item.votes)
