"""The held-out rows on which every contestant is asked: one row for each answer that a person wrote or approved.

Reads `sft_held_out.parquet` of a dataset folder and chooses by hash, so that the choice depends on nothing but the
data and the rotation. Does not know who answers or how answers are judged.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.records import ChatMessage
from nightschool.tables import read_rows

HELD_OUT: Final = "sft_held_out.parquet"
FRESH: Final = timedelta(days=14)
Origin = Literal["import", "correction", "approval", "like"]
_BY_PEOPLE: Final = frozenset({"import", "correction", "approval"})
"""Whose texts are references. What somebody liked is a contestant's own text: it would judge by likeness to itself."""


@dataclass(frozen=True, slots=True)
class SuiteRow:
    row_id: str
    """Hash of conversation, messages and reference: equal content, equal id."""
    conversation_id: str
    messages: tuple[ChatMessage, ...]
    """What was said before the answer, system prompt first, without weights."""
    reference: str
    """The answer that a person wrote or approved."""
    topic: str | None = None
    """What the conversation is about, where its import said so."""
    person: str | None = None
    """A hash of who spoke, where that is known."""
    day: date | None = None
    """When the conversation began, where that is known."""
    is_core: bool = False
    """One of the rows that never change (`eval.core`)."""
    is_fresh: bool = False
    """Of the last days (`mark_fresh`)."""


class HeldOut(NamedTuple):
    rows: tuple[SuiteRow, ...]
    """Each turn once, though branches of one conversation share their beginning."""
    liked_rows: int
    """Answers that were only liked: counted, never asked."""


def read_held_out(dataset: Path) -> HeldOut:
    """Everything that could be asked. Raises InvalidInput."""
    rows: dict[str, SuiteRow] = {}
    liked: set[str] = set()
    for origin, row in _read_rows(dataset / HELD_OUT):
        if origin in _BY_PEOPLE:
            rows[row.row_id] = row
        else:
            liked.add(row.row_id)
    return HeldOut(tuple(rows.values()), len(liked))


def read_suite(dataset: Path, *, max_rows: int, rotation: str = "") -> tuple[SuiteRow, ...]:
    """The rows of one exam, sorted by conversation and id; () where nothing is held out. Raises InvalidInput."""
    return choose_rows(read_held_out(dataset).rows, max_rows=max_rows, rotation=rotation)


def choose_rows(
    rows: Iterable[SuiteRow], *, max_rows: int, rotation: str, core: frozenset[str] | None = None
) -> tuple[SuiteRow, ...]:
    """At most `max_rows`: half of them a core that stays, the others drawn anew for each `rotation`, of which fresh
    ones come first until they are a quarter of all. `core` names the rows that were frozen as such.

    One turn of each conversation comes before a second one of any: conversations are the gate's witnesses, not rows.
    """
    every = mark_fresh(rows)
    asked = [replace(row, is_core=True) for row in pick_core(every, max_rows=max_rows, frozen=core)]
    fresh = [row for row in every if row.is_fresh]
    for some, most in ((fresh, len(asked) + max_rows // 4), (every, max_rows)):
        taken = Counter(row.conversation_id for row in asked)
        names = {row.row_id for row in asked}
        others = [row for row in some if row.row_id not in names]
        asked += _in_turn(others, taken=taken, salt=rotation)[: most - len(asked)]
    return tuple(sorted(asked, key=lambda row: (row.conversation_id, row.row_id)))


def pick_core(rows: Iterable[SuiteRow], *, max_rows: int, frozen: frozenset[str] | None = None) -> list[SuiteRow]:
    """Half of an exam, by hash alone; of the `frozen` ones where there are any."""
    found = [row for row in rows if frozen is None or row.row_id in frozen]
    return _in_turn(found, taken={}, salt="")[: max_rows // 2]


def mark_fresh(rows: Iterable[SuiteRow]) -> list[SuiteRow]:
    """Those of the last 14 days up to the newest conversation are fresh: which they are depends on no clock."""
    every = list(rows)
    newest = max((row.day for row in every if row.day), default=date.min)
    return [replace(row, is_fresh=row.day is not None and newest - row.day < FRESH) for row in every]


def count_witnesses(rows: Iterable[SuiteRow]) -> int:
    """How many people spoke; where it is not known who, each conversation stands for one."""
    return len({row.person or row.conversation_id for row in rows})


def hash_row(conversation_id: str, messages: Sequence[ChatMessage], *, reference: str) -> str:
    spoken = [[message["role"], message["content"]] for message in messages]
    content = json.dumps([conversation_id, spoken, reference], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _in_turn(rows: Iterable[SuiteRow], *, taken: Mapping[str, int], salt: str) -> list[SuiteRow]:
    """First those that would be the first of their conversation, then the second ones, in the order of their hash."""
    conversations: defaultdict[str, list[SuiteRow]] = defaultdict(list)
    for row in rows:
        conversations[row.conversation_id].append(row)
    ranked = [
        (taken.get(name, 0) + place, _salted(salt, name), row)
        for name, some in conversations.items()
        for place, row in enumerate(sorted(some, key=lambda row: _salted(salt, row.row_id)))
    ]
    return [row for _, _, row in sorted(ranked, key=lambda ranked_row: ranked_row[:2])]


class _SpokenMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str
    weight: int = 1
    origin: Origin = "import"


class _HeldOutRow(BaseModel):
    # Datasets carry further keys for their own use (item, group): they are none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation_id: str
    person: str | None = None
    topic: str | None = None
    day: date | None = None
    messages: tuple[_SpokenMessage, ...]


def _read_rows(file: Path) -> Iterator[tuple[Origin, SuiteRow]]:
    for held_out in read_rows(file, _HeldOutRow, row="a held-out row"):
        yield from _rows_of(held_out)


def _rows_of(held_out: _HeldOutRow) -> Iterator[tuple[Origin, SuiteRow]]:
    spoken = tuple(ChatMessage(role=message.role, content=message.content) for message in held_out.messages)
    for position, message in enumerate(held_out.messages):
        if position > 0 and message.role == "assistant" and message.weight != 0:
            before = spoken[:position]
            yield (
                message.origin,
                SuiteRow(
                    row_id=hash_row(held_out.conversation_id, before, reference=message.content),
                    conversation_id=held_out.conversation_id,
                    messages=before,
                    reference=message.content,
                    topic=held_out.topic,
                    person=held_out.person,
                    day=held_out.day,
                ),
            )


def _salted(salt: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\n{name}".encode()).hexdigest()
