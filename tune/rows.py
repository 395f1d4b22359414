"""The rows of a dataset's files, and the only place that knows their shape: Parquet, a file for each kind and side.

A row of sft_*.parquet is a chat that starts with the system prompt and ends with an answer; assistant messages of
weight 0 are context. Rows of pairs_*.parquet and votes_*.parquet are a prompt with two answers, or with one and whether
people liked it. Each row has a weight of its own, and an item, a row of items.parquet that says what it was made of.
What is held out is never trained on. Where they were ordered, questions_train.parquet holds prompts that want an
answer. Does not know how rows are chosen.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from nightschool.records import ChatMessage
from nightschool.tables import read_rows, write_rows
from tune.lack import Lack
from tune.select import Lesson, Pair, Rated, Unanswered
from tune.split import Side

TRAIN: Final = "sft_train.parquet"
HELD_OUT: Final = "sft_held_out.parquet"
ITEMS: Final = "items.parquet"
SIDES: Final = "sides.parquet"
QUESTIONS: Final = "questions_train.parquet"
CARD: Final = "card.md"

Row = Lesson | Pair | Rated | Unanswered
Kind = Literal["sft", "pairs", "votes"]


class Learnt(BaseModel):
    """Of a row of items.parquet what says whether an adapter learnt it."""

    model_config = ConfigDict(frozen=True)

    item_id: str
    kind: Kind | Literal["questions"]
    side: Side


class Placed(BaseModel):
    """Of any row where it came from."""

    model_config = ConfigDict(frozen=True)

    conversation_id: str


class Decided(BaseModel):
    """A row of sides.parquet: where one conversation stands, for good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conversation_id: str
    side: Literal["train", "held-out"]


class SftRow(BaseModel):
    """A row of sft_*.parquet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    conversation_id: str
    group: str
    person: str | None = None
    """A hash of who spoke, where that is known: a person's conversations are no independent witnesses."""
    topic: str | None = None
    weight: float = 1.0
    messages: tuple[ChatMessage, ...]


class PairRow(BaseModel):
    """A row of pairs_*.parquet: two answers to one prompt."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    chosen: str
    rejected: str
    weight: float = 1.0


class VoteRow(BaseModel):
    """A row of votes_*.parquet: an answer, and whether more people liked it than not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    is_good: bool
    weight: float = 1.0


class QuestionRow(BaseModel):
    """A row of questions_train.parquet: a prompt whose answer, if people got one, was not a good one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    """What people got."""
    lack: Lack


@dataclass(frozen=True, slots=True)
class Heading:
    """What the rows of one conversation carry of it."""

    group: str
    """The first conversation of its near-duplicates."""
    person: str | None = None
    """Who spoke, where that is a person whom the record knows apart."""
    topic: str | None = None
    day: str | None = None
    """When it began, as an ISO date of UTC; of an import that is not known."""


@dataclass(frozen=True, slots=True)
class Named:
    """A row with its item's id. Equal content, equal id: a retrained row is recognised from night to night."""

    item_id: str
    row: Row


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_CONTEXT: Final = (_field("role", pa.string()), _field("content", pa.string()))
_PROMPT: Final = _field("prompt", pa.list_(_field("item", pa.struct(_CONTEXT))))
_MESSAGE: Final = pa.struct([*_CONTEXT, pa.field("weight", pa.int8()), pa.field("origin", pa.string())])
_HEAD: Final = (
    _field("item_id", pa.string()),
    _field("conversation_id", pa.string()),
    _field("group", pa.string()),
    pa.field("person", pa.string()),
    pa.field("topic", pa.string()),
    pa.field("day", pa.string()),
    _field("weight", pa.float64()),
)
_BODIES: Final[Mapping[Kind, tuple[pa.Field, ...]]] = {
    "sft": (_field("messages", pa.list_(_field("item", _MESSAGE))),),
    "pairs": (_PROMPT, _field("chosen", pa.string()), _field("rejected", pa.string())),
    "votes": (_PROMPT, _field("answer", pa.string()), _field("is_good", pa.bool_())),
}
_QUESTION: Final = pa.schema([*_HEAD, _PROMPT, _field("answer", pa.string()), _field("lack", pa.string())])
_NAMES: Final = pa.list_(_field("item", pa.string()))
_ITEM: Final = pa.schema(
    [
        *(_field(name, pa.string()) for name in ("item_id", "kind", "side", "conversation_id")),
        _field("messages", _NAMES),
        _field("votes", pa.list_(_field("item", pa.struct([_field(n, pa.string()) for n in ("message_id", "voter")])))),
        *(_field(name, _NAMES) for name in ("reviews", "passages_from")),
    ]
)
_DECIDED: Final = pa.schema([_field("conversation_id", pa.string()), _field("side", pa.string())])


def file_of(kind: Kind, side: Side) -> str:
    """The file's name in a dataset's folder."""
    return f"{kind}_{'train' if side is Side.TRAIN else 'held_out'}.parquet"


def name_row(row: Row) -> Named:
    """The row under the hash of its content. The system prompt is no part of it: a changed one makes no row new."""
    if isinstance(row, Lesson):
        return Named(_hash("sft", *_content(row.messages)), row)
    if isinstance(row, Pair):
        return Named(_hash("pair", *_content(row.prompt), row.chosen, row.rejected), row)
    if isinstance(row, Unanswered):
        return Named(_hash("question", *_content(row.prompt)), row)
    return Named(_hash("vote", row.lineage.messages[-1], row.answer, str(row.is_good)), row)


def write_kind(
    folder: Path,
    kind: Kind,
    side: Side,
    rows: Iterable[Named],
    *,
    headings: Mapping[str, Heading],
) -> None:
    """The file of one kind and side; `headings` has every conversation of `rows`."""
    lines = _lines(rows, headings)
    write_rows(folder / file_of(kind, side), lines, schema=pa.schema([*_HEAD, *_BODIES[kind]]))


def write_questions(folder: Path, rows: Iterable[Named], *, headings: Mapping[str, Heading]) -> None:
    write_rows(folder / QUESTIONS, _lines(rows, headings), schema=_QUESTION)


def write_items(file: Path, rows: Mapping[Side, Sequence[Named]], passages_from: Mapping[str, Sequence[str]]) -> None:
    """`passages_from`: by item the conversations whose answers stand in its row as passages."""
    items = (_item(named, side, passages_from) for side, some in rows.items() for named in some)
    write_rows(file, items, schema=_ITEM)


def write_sides(file: Path, sides: Mapping[str, Literal["train", "held-out"]]) -> None:
    lines = ({"conversation_id": name, "side": side} for name, side in sides.items())
    write_rows(file, lines, schema=_DECIDED)


def read_decided(file: Path) -> Mapping[str, Literal["train", "held-out"]]:
    return {decided.conversation_id: decided.side for decided in read_rows(file, Decided, row="a decision")}


def read_item_ids(file: Path) -> frozenset[str]:
    """Ids of the training rows in items.parquet."""
    items = read_rows(file, Learnt, row="an item")
    return frozenset(item.item_id for item in items if item.kind == "sft" and item.side is Side.TRAIN)


def read_conversations(file: Path) -> frozenset[str]:
    """Whose rows a file holds."""
    return frozenset(row.conversation_id for row in read_rows(file, Placed, row="a row"))


def read_sft_rows(file: Path) -> Iterator[SftRow]:
    """The rows of sft_train.parquet or sft_held_out.parquet. Raises InvalidInput, which names the row."""
    return read_rows(file, SftRow, row="a training row")


def read_pairs(folder: Path, split: Side) -> Iterator[PairRow]:
    """A dataset's pairs of one side; what is held out measures and is never trained on. Raises InvalidInput."""
    return read_rows(folder / file_of("pairs", split), PairRow, row="a pair of answers")


def read_votes(folder: Path, split: Side) -> Iterator[VoteRow]:
    """A dataset's votes of one side; what is held out measures and is never trained on. Raises InvalidInput."""
    return read_rows(folder / file_of("votes", split), VoteRow, row="a vote on an answer")


def read_questions(folder: Path) -> list[QuestionRow]:
    """None where the dataset was built without. Raises InvalidInput."""
    file = folder / QUESTIONS
    return list(read_rows(file, QuestionRow, row="a question")) if file.exists() else []


def _lines(rows: Iterable[Named], headings: Mapping[str, Heading]) -> Iterator[dict[str, object]]:
    for named in rows:
        heading = headings[named.row.conversation_id]
        yield {
            "item_id": named.item_id,
            "conversation_id": named.row.conversation_id,
            "group": _hash(heading.group),
            "person": _hash(heading.person) if heading.person else None,
            "topic": heading.topic,
            "day": heading.day,
            "weight": named.row.weight,
            **_body(named.row),
        }


def _body(row: Row) -> dict[str, object]:
    if isinstance(row, Unanswered):
        return {"prompt": row.prompt, "answer": row.answer, "lack": row.lack.value}
    if isinstance(row, Lesson):
        return {"messages": row.messages}
    if isinstance(row, Pair):
        return {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}
    return {"prompt": row.prompt, "answer": row.answer, "is_good": row.is_good}


def _item(named: Named, side: Side, passages_from: Mapping[str, Sequence[str]]) -> dict[str, object]:
    row = named.row
    return {
        "item_id": named.item_id,
        "kind": _KIND_OF[type(row)],
        "side": side.value,
        "conversation_id": row.conversation_id,
        "messages": row.lineage.messages,
        "votes": [vote._asdict() for vote in row.lineage.votes],
        "reviews": row.lineage.reviews,
        "passages_from": passages_from.get(named.item_id, ()),
    }


_KIND_OF: Final[Mapping[type[Row], str]] = {Lesson: "sft", Pair: "pairs", Rated: "votes", Unanswered: "questions"}


def _content(messages: Sequence[ChatMessage]) -> list[str]:
    return [part for m in messages[1:] for part in (m["role"], m["content"], str(m.get("weight", 1)))]


def _hash(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()[:16]
