"""The rows of a dataset by their hashes and what each was made of; all of them, or those of one message or vote.

Does not know who is asking, nor what the rows say.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from nightschool.tables import Narrow, read_rows
from tune.rows import ITEMS
from tune.split import Side
from tune.words import VoteRef


class Origin(BaseModel):
    """A row of items.parquet."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    """The row's hash."""
    kind: str
    side: Side
    conversation_id: str
    messages: tuple[str, ...]
    votes: tuple[VoteRef, ...]
    reviews: tuple[str, ...]


class Origins(NamedTuple):
    first: tuple[Origin, ...]
    total: int


def read_origins(dataset: Path, *, limit: int) -> Origins:
    """The first `limit` rows, and how many there are. Raises InvalidInput."""
    return _take(read_rows(dataset / ITEMS, Origin, row="an item"), limit=limit)


def find_origins(dataset: Path, *, message_id: str, voter: str | None, limit: int) -> Origins:
    """The rows that were made of a message, or of one person's vote on it. Raises InvalidInput."""
    rows = read_rows(dataset / ITEMS, Origin, row="an item", narrow=_about(message_id))
    if voter is not None:
        rows = (row for row in rows if VoteRef(message_id, voter) in row.votes)
    return _take(rows, limit=limit)


def _about(message_id: str) -> Narrow:
    def narrow(items: pa.RecordBatch) -> pa.RecordBatch:
        found = pc.equal(items["item_id"], "")
        for column, field in (("messages", None), ("votes", "message_id"), ("reviews", None)):
            lists = items[column]
            values = lists.flatten() if field is None else pc.struct_field(lists.flatten(), field)
            rows = pc.list_parent_indices(lists).filter(pc.equal(values, message_id)).unique()
            found = pc.or_(found, pc.is_in(pa.array(range(len(items)), rows.type), value_set=rows))
        return items.filter(found)

    return narrow


def _take(rows: Iterator[Origin], *, limit: int) -> Origins:
    first = tuple(islice(rows, limit))
    return Origins(first, len(first) + sum(1 for _ in rows))
