"""Whether a dataset holds what is to be forgotten: rows made of it, or a word on why there are none.

Goes by ids, which every dataset has beside its rows; one in an older form has none, and may hold anything. Does not
know who is forgotten, nor what is done about it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightschool.files import read_manifest
from tune.left_out import LEFT_OUT
from tune.older import is_older
from tune.rows import ITEMS, SIDES
from tune.split import Side

ROWS_AT_ONCE: Final = 50_000


@dataclass(frozen=True, slots=True)
class Sought:
    """Ids of conversations and their messages, and of answers on which a vote is to be forgotten."""

    conversations: Collection[str]
    messages: Collection[str]
    voted: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Held:
    """What a dataset has of it."""

    is_any: bool
    is_trained: bool = False
    """Whether rows to train on were made of it."""
    items: frozenset[str] = frozenset()
    """Of those rows."""


def find_held(dataset: Path, sought: Sought) -> Held:
    """Of an older form, or never finished: anything."""
    manifest = read_manifest(dataset)
    if manifest is None or is_older(dataset):
        return Held(is_any=True, is_trained=True)
    trained: set[str] = set()
    is_any = False
    for rows in _batches(dataset / ITEMS):
        some = rows.filter(_concerned(rows, sought))
        is_any = is_any or len(some) > 0
        is_train = pc.equal(some["side"], Side.TRAIN.value)
        trained.update(some.filter(is_train)["item_id"].to_pylist())
    is_any = is_any or _has(dataset / SIDES, "conversation_id", sought.conversations)
    left_out = [*sought.messages, *sought.voted]
    is_any = is_any or ((dataset / LEFT_OUT).exists() and _has(dataset / LEFT_OUT, "message_id", left_out))
    return Held(is_any, is_trained=bool(trained), items=frozenset(trained))


def holds_snapshot(snapshot: Path, sought: Sought) -> bool:
    """Whether a snapshot does; one that was never finished may."""
    if read_manifest(snapshot) is None:
        return snapshot.exists()
    files = (("conversations", "conversation_id", sought.conversations), ("feedback", "message_id", sought.voted))
    return any(_has(snapshot / f"{name}.parquet", column, wanted) for name, column, wanted in files)


def _concerned(items: pa.RecordBatch, sought: Sought) -> pa.Array:
    """Of each item whether it is about any of it, or holds an answer of it as a passage; a dialogue of several calls
    has the first one's id alone, but all their messages."""
    talks = pa.array(list(sought.conversations), pa.string())
    names = pa.array([*sought.messages, *sought.voted], pa.string())
    found = pc.is_in(items["conversation_id"], value_set=talks)
    named = [("messages", None, names), ("votes", "message_id", names), ("reviews", None, names)]
    # Before answers stood in rows as passages there was no such column.
    if "passages_from" in items.schema.names:
        named.append(("passages_from", None, talks))
    for column, field, wanted in named:
        lists = items[column]
        values = lists.flatten() if field is None else pc.struct_field(lists.flatten(), field)
        rows = pc.list_parent_indices(lists).filter(pc.is_in(values, value_set=wanted)).unique()
        found = pc.or_(found, pc.is_in(pa.array(range(len(items)), rows.type), value_set=rows))
    return found


def _has(file: Path, column: str, wanted: Collection[str]) -> bool:
    values = pa.array(list(wanted), pa.string())
    return any(pc.any(pc.is_in(rows[column], value_set=values)).as_py() for rows in _batches(file, column))


def _batches(file: Path, *columns: str) -> list[pa.RecordBatch]:
    with pq.ParquetFile(file) as parquet:
        return list(parquet.iter_batches(ROWS_AT_ONCE, columns=list(columns) or None))
