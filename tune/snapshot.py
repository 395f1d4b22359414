"""Read one bot's snapshot: the Parquet files that the record wrote for a night, as typed rows.

The only module that knows the files' columns. Does not know what will be selected from them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from nightschool.errors import InvalidInput
from nightschool.files import read_manifest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Talk:
    """A conversation: whose it is, and where an import or an earlier night put it."""

    conversation_id: str
    owner: str
    source: str
    created_at: datetime
    is_held_out: bool | None
    """What an import said."""
    topic: str | None = None
    side: Literal["train", "held-out"] | None = None
    """What an earlier night decided."""
    calls: tuple[str, ...] = ()
    """Where it is a dialogue of several API calls: their conversations, the first of which gives it its id."""


@dataclass(frozen=True, slots=True)
class Said:
    """A message of a conversation's tree."""

    message_id: str
    conversation_id: str
    parent_id: str | None
    role: Literal["system", "user", "assistant"]
    content: str
    source: str
    created_at: datetime
    finish: str | None
    weight: int


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one person thinks of one answer."""

    message_id: str
    voter: str
    vote: str
    ideal_answer: str
    voted_at: datetime


@dataclass(frozen=True, slots=True)
class Ruling:
    """An operator's word on one answer."""

    message_id: str
    reviewer: str
    is_approved: bool
    corrected_answer: str
    reviewed_at: datetime


@dataclass(frozen=True, slots=True)
class Snapshot:
    content_hash: str
    talks: Mapping[str, Talk]
    """By conversation id, oldest first."""
    messages: Mapping[str, tuple[Said, ...]]
    """By conversation id, oldest first."""
    opinions: Mapping[str, tuple[Opinion, ...]]
    """By message id; votes that were taken back are left out."""
    rulings: Mapping[str, Ruling]
    """By message id; the latest one counts."""


def read_snapshot(folder: Path) -> Snapshot:
    """The snapshot in `folder`. Raises InvalidInput where it was never finished or holds other columns."""
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != "snapshot":
        raise InvalidInput("is not a finished snapshot", subject=str(folder), remedy="Take the snapshot again.")
    talks = sorted(_rows(folder / "conversations.parquet", _talk), key=lambda t: (t.created_at, t.conversation_id))
    said = sorted(_rows(folder / "messages.parquet", _said), key=lambda m: (m.created_at, m.message_id))
    opinions = sorted(_rows(folder / "feedback.parquet", _opinion), key=lambda o: (o.voted_at, o.voter))
    rulings = sorted(_rows(folder / "reviews.parquet", _ruling), key=lambda r: (r.reviewed_at, r.reviewer))
    return Snapshot(
        content_hash=manifest.content_hash,
        talks={talk.conversation_id: talk for talk in talks},
        messages=_by(said, lambda message: message.conversation_id),
        opinions=_by([o for o in opinions if o.vote != "none"], lambda opinion: opinion.message_id),
        rulings={ruling.message_id: ruling for ruling in rulings},
    )


def _by(rows: list[T], key: Callable[[T], str]) -> dict[str, tuple[T, ...]]:
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return {name: tuple(members) for name, members in groups.items()}


def _rows(file: Path, convert: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    try:
        for row in pq.read_table(file).to_pylist():
            yield convert(row)
    except (KeyError, FileNotFoundError, pa.ArrowInvalid) as error:
        raise InvalidInput(
            f"does not hold what a snapshot holds ({error})", subject=str(file), remedy="Take the snapshot again."
        ) from error


def _talk(row: dict[str, Any]) -> Talk:
    return Talk(
        row["conversation_id"], row["owner"], row["source"], row["created_at"], row["is_held_out"], row["topic"],
        row["side"],
    )  # fmt: skip


def _said(row: dict[str, Any]) -> Said:
    weight = 1 if row["weight"] is None else row["weight"]
    return Said(
        row["message_id"], row["conversation_id"], row["parent_id"], row["role"], row["content"], row["source"],
        row["created_at"], row["finish"], weight,
    )  # fmt: skip


def _opinion(row: dict[str, Any]) -> Opinion:
    return Opinion(row["message_id"], row["voter"], row["vote"], (row["ideal_answer"] or "").strip(), row["voted_at"])


def _ruling(row: dict[str, Any]) -> Ruling:
    corrected = (row["corrected_answer"] or "").strip()
    return Ruling(row["message_id"], row["reviewer"], row["approved"], corrected, row["reviewed_at"])
