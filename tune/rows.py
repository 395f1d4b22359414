"""The lines of a dataset's files, and the only place that knows their shape.

A row of sft_*.jsonl is a chat that starts with the system prompt and ends with an answer; assistant messages of weight
0 are context. preferences.jsonl and votes.jsonl have the shape that TRL's DPO and KTO trainers read. Each row has an
item, a line of items.jsonl that says what it was made of.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from nightschool.files import read_jsonl
from nightschool.records import ChatMessage
from tune.select import Lesson, Pair, Rated
from tune.split import Side

TRAIN: Final = "sft_train.jsonl"
HELD_OUT: Final = "sft_held_out.jsonl"
PREFERENCES: Final = "preferences.jsonl"
VOTES: Final = "votes.jsonl"
ITEMS: Final = "items.jsonl"
SIDES: Final = "sides.jsonl"
CARD: Final = "card.md"

Row = Lesson | Pair | Rated


class Item(BaseModel):
    """A line of items.jsonl: what one row was made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    kind: Literal["sft", "pair", "vote"]
    side: Side
    conversation_id: str
    messages: tuple[str, ...]
    votes: tuple[tuple[str, str], ...]
    """Message and voter."""
    reviews: tuple[str, ...]
    """Messages whose review was used."""


class Decided(BaseModel):
    """A line of sides.jsonl: where one conversation stands, for good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conversation_id: str
    side: Literal["train", "held-out"]


class SftRow(BaseModel):
    """A line of sft_train.jsonl, as the trainer reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    conversation_id: str
    group: str
    topic: str | None = None
    messages: tuple[ChatMessage, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A row with its item's id. Equal content, equal id: a retrained row is recognised from night to night."""

    item_id: str
    row: Row


def name_row(row: Row) -> Named:
    """The row under the hash of its content. The system prompt is no part of it: a changed one makes no row new."""
    if isinstance(row, Lesson):
        return Named(_hash("sft", *_content(row.messages)), row)
    if isinstance(row, Pair):
        return Named(_hash("pair", *_content(row.prompt), row.chosen, row.rejected), row)
    return Named(_hash("vote", row.lineage.messages[-1], row.answer, str(row.is_good)), row)


def write_rows(
    file: Path, rows: Iterable[Named], *, groups: Mapping[str, str], topics: Mapping[str, str | None]
) -> None:
    """One line for each row; `groups` names the near-duplicates' group of each conversation."""
    _write_lines(
        file,
        (
            {
                "item_id": named.item_id,
                "conversation_id": named.row.conversation_id,
                "group": _hash(groups[named.row.conversation_id]),
                "topic": topics[named.row.conversation_id],
                **_body(named.row),
            }
            for named in rows
        ),
    )


def write_items(file: Path, rows: Mapping[Side, Sequence[Named]]) -> None:
    _write_lines(file, (_item(named, side).model_dump(mode="json") for side, some in rows.items() for named in some))


def write_sides(file: Path, sides: Mapping[str, Literal["train", "held-out"]]) -> None:
    _write_lines(file, (Decided(conversation_id=name, side=side).model_dump() for name, side in sides.items()))


def read_decided(file: Path) -> Mapping[str, Literal["train", "held-out"]]:
    with file.open("rb") as lines:
        return {line.conversation_id: line.side for line in map(Decided.model_validate_json, lines)}


def read_item_ids(file: Path) -> frozenset[str]:
    """Ids of the training rows in items.jsonl."""
    with file.open("rb") as lines:
        items = map(Item.model_validate_json, lines)
        return frozenset(item.item_id for item in items if item.kind == "sft" and item.side is Side.TRAIN)


def read_sft_rows(file: Path) -> Iterator[SftRow]:
    """The rows of sft_train.jsonl. Raises InvalidInput, which names the line."""
    return read_jsonl(file, SftRow, row="a training row")


def _body(row: Row) -> dict[str, object]:
    if isinstance(row, Lesson):
        return {"messages": row.messages}
    if isinstance(row, Pair):
        return {"prompt": _plain(row.prompt), "chosen": _answer(row.chosen), "rejected": _answer(row.rejected)}
    return {"prompt": _plain(row.prompt), "completion": _answer(row.answer), "label": row.is_good}


def _item(named: Named, side: Side) -> Item:
    row = named.row
    return Item(
        item_id=named.item_id,
        kind="sft" if isinstance(row, Lesson) else "pair" if isinstance(row, Pair) else "vote",
        side=side,
        conversation_id=row.conversation_id,
        messages=row.lineage.messages,
        votes=tuple((vote.message_id, vote.voter) for vote in row.lineage.votes),
        reviews=row.lineage.reviews,
    )


def _content(messages: Sequence[ChatMessage]) -> list[str]:
    return [part for m in messages[1:] for part in (m["role"], m["content"], str(m.get("weight", 1)))]


def _plain(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    return [ChatMessage(role=m["role"], content=m["content"]) for m in messages]


def _answer(content: str) -> list[ChatMessage]:
    return [ChatMessage(role="assistant", content=content)]


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]


def _write_lines(file: Path, lines: Iterable[Mapping[str, object]]) -> None:
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
