"""The held-out rows on which every contestant is asked: one row for each answer that a person wrote or approved.

Reads `sft_held_out.jsonl` of a dataset folder, whole conversations only, chosen by hash, so that the choice depends on
nothing but the data. Does not know who answers or how answers are judged.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput
from nightschool.records import ChatMessage

HELD_OUT: Final = "sft_held_out.jsonl"


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


def read_suite(dataset: Path, *, max_rows: int) -> tuple[SuiteRow, ...]:
    """At most `max_rows` held-out rows, sorted by conversation and id; () where nothing is held out.

    Conversations come in the order of their hash; one that no longer fits is passed over whole. Raises InvalidInput.
    """
    conversations: dict[str, dict[str, SuiteRow]] = {}
    for row in _read_rows(dataset / HELD_OUT):
        # Branches of one conversation share their beginning: the same turn must not count twice.
        conversations.setdefault(row.conversation_id, {})[row.row_id] = row
    chosen: list[SuiteRow] = []
    for conversation_id in sorted(conversations, key=_hash_order):
        rows = conversations[conversation_id].values()
        if len(chosen) + len(rows) <= max_rows:
            chosen += rows
    return tuple(sorted(chosen, key=lambda row: (row.conversation_id, row.row_id)))


def hash_row(conversation_id: str, messages: Sequence[ChatMessage], *, reference: str) -> str:
    spoken = [[message["role"], message["content"]] for message in messages]
    content = json.dumps([conversation_id, spoken, reference], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


class _SpokenMessage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    role: Literal["system", "user", "assistant"]
    content: str
    weight: int = 1


class _HeldOutLine(BaseModel):
    # Datasets carry further keys for their own use (item, group): they are none of our business.
    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation_id: str
    topic: str | None = None
    messages: tuple[_SpokenMessage, ...]


def _read_rows(file: Path) -> Iterator[SuiteRow]:
    if not file.exists():
        raise InvalidInput("is missing", subject=str(file), remedy="Build the dataset again.")
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                held_out = _HeldOutLine.model_validate_json(line)
            except ValidationError as error:
                fault = error.errors(include_url=False)[0]["msg"]
                raise InvalidInput(
                    f"is not a held-out row ({fault})", subject=f"{file}, line {number}", remedy="Build it again."
                ) from error
            yield from _rows_of(held_out)


def _rows_of(held_out: _HeldOutLine) -> Iterator[SuiteRow]:
    spoken = tuple(ChatMessage(role=message.role, content=message.content) for message in held_out.messages)
    for position, message in enumerate(held_out.messages):
        if position > 0 and message.role == "assistant" and message.weight != 0:
            before = spoken[:position]
            row_id = hash_row(held_out.conversation_id, before, reference=message.content)
            yield SuiteRow(row_id, held_out.conversation_id, before, message.content, held_out.topic)


def _hash_order(conversation_id: str) -> str:
    return hashlib.sha256(conversation_id.encode()).hexdigest()
