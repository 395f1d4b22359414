"""The held-out rows on which every contestant is asked: one row for each answer that a person wrote or approved.

Reads `sft_held_out.parquet` of a dataset folder and chooses by hash, so that the choice depends on nothing but the
data and the rotation. Does not know who answers or how answers are judged.
"""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.records import ChatMessage
from nightschool.tables import read_rows

HELD_OUT: Final = "sft_held_out.parquet"
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


def choose_rows(rows: Iterable[SuiteRow], *, max_rows: int, rotation: str) -> tuple[SuiteRow, ...]:
    """At most `max_rows`: half of them a core that stays, the others drawn anew for each `rotation`.

    One turn of each conversation comes before a second one of any: conversations are the gate's witnesses, not rows.
    """
    every = list(rows)
    core = _in_turn(every, taken={}, salt="")[: max_rows // 2]
    asked = {row.row_id for row in core}
    others = [row for row in every if row.row_id not in asked]
    taken = Counter(row.conversation_id for row in core)
    drawn = _in_turn(others, taken=taken, salt=rotation)[: max_rows - len(core)]
    return tuple(sorted([*core, *drawn], key=lambda row: (row.conversation_id, row.row_id)))


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
    messages: tuple[_SpokenMessage, ...]


def _read_rows(file: Path) -> Iterator[tuple[Origin, SuiteRow]]:
    for held_out in read_rows(file, _HeldOutRow, row="a held-out row"):
        yield from _rows_of(held_out)


def _rows_of(held_out: _HeldOutRow) -> Iterator[tuple[Origin, SuiteRow]]:
    spoken = tuple(ChatMessage(role=message.role, content=message.content) for message in held_out.messages)
    for position, message in enumerate(held_out.messages):
        if position > 0 and message.role == "assistant" and message.weight != 0:
            before = spoken[:position]
            row_id = hash_row(held_out.conversation_id, before, reference=message.content)
            yield (
                message.origin,
                SuiteRow(row_id, held_out.conversation_id, before, message.content, held_out.topic, held_out.person),
            )


def _salted(salt: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\n{name}".encode()).hexdigest()
