"""Read one bot's snapshot: the Parquet files that the record wrote for a night, as typed rows.

The only module that knows the files' columns. Does not know what will be selected from them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nightschool.errors import InvalidInput
from nightschool.files import read_manifest
from nightschool.text import fold

T = TypeVar("T")

MESSAGES: Final = "messages.parquet"
TALK: Final = ("conversation_id", "owner", "source", "created_at", "is_held_out", "topic", "side")
SAID: Final = (
    "message_id", "conversation_id", "parent_id", "role", "content", "source", "created_at", "finish", "weight",
)  # fmt: skip
OPINION: Final = ("message_id", "voter", "vote", "ideal_answer", "voted_at", "address", "is_released", "is_kept_out")
PREFERRED: Final = ("conversation_id", "voter", "chosen_at", "better_id", "worse_id")
SEEN_TOGETHER: Final = ("one_id", "other_id")
RULING: Final = ("message_id", "reviewer", "approved", "corrected_answer", "reviewed_at")
"""Columns, in the order of the rows' fields."""
ROWS_AT_ONCE: Final = 50_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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
    address: str = ""
    """A hash of where it came from; empty where that is not known."""
    is_released: bool = False
    """An operator looked at it and lets it count whatever a screen says."""
    is_kept_out: bool = False
    """An operator looked at it and lets no night learn from it, whatever a screen says."""
    weight: float = 1.0
    """0..1: how far its voter is trusted (`tune.raters`)."""


@dataclass(frozen=True, slots=True)
class Preferred:
    """Which of two answers to one question a person found better."""

    conversation_id: str
    voter: str
    chosen_at: datetime
    better_id: str
    worse_id: str


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
    taken_at: datetime
    """Until when it holds what was said: ages are counted from here."""
    talks: Mapping[str, Talk]
    """By conversation id, oldest first."""
    messages: Mapping[str, tuple[Said, ...]]
    """By conversation id, oldest first."""
    opinions: Mapping[str, tuple[Opinion, ...]]
    """By message id; votes that were taken back are left out."""
    rulings: Mapping[str, Ruling]
    """By message id; the latest one counts."""
    preferences: tuple[Preferred, ...] = ()
    """Oldest first; none where it was taken before people were asked."""
    seen_together: frozenset[frozenset[str]] = frozenset()
    """Ids of each two answers that somebody saw beside each other and was asked about."""
    known_since: Mapping[str, datetime] = field(default_factory=dict)
    """When each person began their first conversation, of all that the record holds."""


def read_snapshot(folder: Path, *, unjudged: int = 0) -> Snapshot:
    """What the snapshot in `folder` holds of conversations that may teach or examine, and the newest `unjudged` chats
    of which nobody said anything.

    Raises InvalidInput where it was never finished or holds other columns.
    """
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != "snapshot":
        raise InvalidInput("is not a finished snapshot", subject=str(folder), remedy="Take the snapshot again.")
    opinions = [_opinion(row) for row in _rows(folder / "feedback.parquet", OPINION)]
    preferences = tuple(_preferences(folder / "preferences.parquet"))
    rulings = [_ruling(row) for row in _rows(folder / "reviews.parquet", RULING)]
    voted = sorted((o for o in opinions if o.vote != "none"), key=lambda o: (o.voted_at, o.voter))
    ruled = sorted(rulings, key=lambda r: (r.reviewed_at, r.reviewer))
    talks = [Talk(*row) for row in _rows(folder / "conversations.parquet", TALK)]
    names = _find_concerned(folder / MESSAGES, talks, voted, ruled)
    names |= {preferred.conversation_id for preferred in preferences}
    if unjudged:
        others = [talk for talk in talks if talk.source == "chat" and talk.conversation_id not in names]
        newest = sorted(others, key=lambda talk: (talk.created_at, talk.conversation_id))[-unjudged:]
        names |= {talk.conversation_id for talk in newest}
    kept = sorted((t for t in talks if t.conversation_id in names), key=lambda t: (t.created_at, t.conversation_id))
    said = _by(map(_said, _rows(folder / MESSAGES, SAID, only=("conversation_id", names))), lambda m: m.conversation_id)
    return Snapshot(
        content_hash=manifest.content_hash,
        taken_at=datetime.fromisoformat(str(manifest.about["taken_at"])),
        talks={talk.conversation_id: talk for talk in kept},
        messages={
            talk.conversation_id: tuple(sorted(said[talk.conversation_id], key=lambda m: (m.created_at, m.message_id)))
            for talk in kept
            if talk.conversation_id in said
        },
        opinions={name: tuple(own) for name, own in _by(voted, lambda opinion: opinion.message_id).items()},
        rulings={ruling.message_id: ruling for ruling in ruled},
        preferences=preferences,
        seen_together=frozenset(_seen_together(folder / "seen_together.parquet")),
        known_since=_first_seen(talks),
    )


def _first_seen(talks: Iterable[Talk]) -> dict[str, datetime]:
    since: dict[str, datetime] = {}
    for talk in talks:
        since[talk.owner] = min(since.get(talk.owner, talk.created_at), talk.created_at)
    return since


def _find_concerned(
    messages: Path, talks: Iterable[Talk], opinions: Iterable[Opinion], rulings: Sequence[Ruling]
) -> frozenset[str]:
    """Conversations that may have a row; the others, mostly chats that nobody judged, are not read.

    Those with an opinion or a ruling, what an import brought, calls over the API, whose answers a later call repeats,
    and those that say what an operator ruled on elsewhere.
    """
    names = {talk.conversation_id for talk in talks if talk.source == "api"}
    reviewed = frozenset(ruling.message_id for ruling in rulings)
    judged = reviewed.union(opinion.message_id for opinion in opinions)
    names.update(row[0] for row in _rows(messages, ("conversation_id",), only=("message_id", judged)))
    brought = _rows(messages, ("conversation_id", "weight"), only=("source", frozenset({"import"})))
    names.update(name for name, weight in brought if weight != 0)
    texts = {fold(row[0]) for row in _rows(messages, ("content",), only=("message_id", reviewed))}
    texts.update(fold(ruling.corrected_answer) for ruling in rulings if ruling.corrected_answer)
    if texts:
        answers = _rows(messages, ("conversation_id", "content"), only=("role", frozenset({"assistant"})))
        names.update(name for name, content in answers if name not in names and fold(content) in texts)
    return frozenset(names)


def _by(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    groups: dict[str, list[T]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _rows(
    file: Path, columns: Sequence[str], *, only: tuple[str, frozenset[str]] | None = None
) -> Iterator[tuple[Any, ...]]:
    """The columns by rows; with `only` of those rows whose column is one of the values."""
    try:
        with pq.ParquetFile(file) as parquet:
            wanted = [*columns, only[0]] if only and only[0] not in columns else list(columns)
            if missing := [name for name in wanted if name not in parquet.schema_arrow.names]:
                raise pa.ArrowKeyError(f"no column {missing[0]}")
            values = pa.array(sorted(only[1]), pa.string()) if only else None
            for batch in parquet.iter_batches(ROWS_AT_ONCE, columns=wanted):
                some = batch.filter(pc.is_in(batch[only[0]], value_set=values)) if only else batch
                yield from zip(*[_values(some[name]) for name in columns], strict=True)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(
            f"does not hold what a snapshot holds ({error})", subject=str(file), remedy="Take the snapshot again."
        ) from error


def _values(column: pa.Array) -> list[Any]:
    """As Python's objects: equal strings that follow one another are one object, and times are aware."""
    if pa.types.is_timestamp(column.type):
        ticks = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist()
        return [EPOCH + timedelta(microseconds=tick) for tick in ticks]
    if pa.types.is_string(column.type) and len(column):
        encoded = column.dictionary_encode()
        words = [*encoded.dictionary.to_pylist(), None]
        return [words[place] for place in encoded.indices.fill_null(len(words) - 1).to_pylist()]
    return list(column.to_pylist())


def _said(row: tuple[Any, ...]) -> Said:
    message_id, conversation_id, parent_id, role, content, source, created_at, finish, weight = row
    return Said(
        message_id, conversation_id, parent_id, role, content, source, created_at, finish,
        1 if weight is None else weight,
    )  # fmt: skip


def _opinion(row: tuple[Any, ...]) -> Opinion:
    message_id, voter, vote, ideal_answer, *rest = row
    return Opinion(message_id, voter, vote, (ideal_answer or "").strip(), *rest)


def _preferences(file: Path) -> Iterator[Preferred]:
    if file.exists():
        yield from (Preferred(*row) for row in _rows(file, PREFERRED))


def _seen_together(file: Path) -> Iterator[frozenset[str]]:
    if file.exists():
        yield from map(frozenset, _rows(file, SEEN_TOGETHER))


def _ruling(row: tuple[Any, ...]) -> Ruling:
    message_id, reviewer, is_approved, corrected_answer, reviewed_at = row
    return Ruling(message_id, reviewer, is_approved, (corrected_answer or "").strip(), reviewed_at)
