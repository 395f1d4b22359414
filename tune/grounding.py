"""Put passages into the rows of a dataset, as serving puts them into prompts (`nightschool.knowledge`).

In: the parts as they were selected, and the snapshot's table of passages. Out: rows of one answer each, whose last
question stands below the passages that were found for it. To learn to answer from passages and not by heart, most rows
to imitate hold the right passage among others; in some it is missing, and the answer hands over; some hold none
(retrieval-augmented fine-tuning: Zhang et al. 2024, arXiv 2403.10131). Which is which goes by the row's hash and the
seed. Rows that examine, pairs and votes hold what was found. An answer of the team is in no row of its own
conversation, and in none at all where its conversation may be examined. Does not search.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, Self

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from nightschool.knowledge import Passage, key_of, with_passages
from nightschool.records import ChatMessage
from nightschool.wording import words
from tune.parts import Parts
from tune.rows import Kind, Named, Row, name_row
from tune.select import Lesson
from tune.split import Side

SEEN: Final = "passages.parquet"
RIGHT_SHARE: Final = 0.2
"""Of an answer's telling words, in a passage from which it can be answered, where they share no number."""
TELLING_LETTERS: Final = 4
WORDING_SHARE: Final = 0.01
"""Of the rows to imitate, that may hand over in the same words. People's answers begin in many ways, each of them rare:
with a tenth of the rows in one wording that was the likeliest answer by far to whatever was asked, and at a low
temperature a small model, which cannot tell which passage is the right one, gave it to nearly every question."""
KINDS: Final = {
    "right": "with the right one among them",
    "missing": "with others, where the answer hands over",
    "other": "with some, none of which says what the answer does",
    "none": "without any",
}
Seen = Mapping[str, tuple[Passage, ...]]


class Grounding(BaseModel):
    """How rows to imitate are mixed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    missing_share: float = Field(ge=0, le=1)
    """Of rows whose right passage is taken out, so that the answer hands over; at most `WORDING_SHARE` a wording."""
    none_share: float = Field(ge=0, le=1)
    """Of rows without passages."""
    hand_overs: tuple[str, ...] = Field(min_length=1)
    """Wordings, of which each row takes one by its hash."""
    seed: int


class Grounded(NamedTuple):
    parts: Parts
    passages: Mapping[str, tuple[Passage, ...]]
    """By item id; a row without any has none."""
    counts: Mapping[str, int]
    """Rows to imitate by kind: `right`, `missing`, `other`, `none`."""

    @property
    def passages_from(self) -> dict[str, list[str]]:
        """By item id the conversations whose answers stand in its row."""
        return {name: sorted({one.conversation_id for one in some} - {""}) for name, some in self.passages.items()}


def read_seen(snapshot: Path) -> Seen | None:
    """None where the snapshot holds none: its bot has no documents."""
    file = snapshot / SEEN
    if not file.exists():
        return None
    return {row["key"]: tuple(Passage(**one) for one in row["passages"]) for row in pq.read_table(file).to_pylist()}


def ground_rows(parts: Parts, snapshot: Path, wanted: Grounding | None) -> Grounded:
    """As `ground_parts`, by the snapshot's own table; the parts as they are without one, or where nothing is wanted."""
    seen = read_seen(snapshot) if wanted else None
    return ground_parts(parts, seen, wanted) if wanted and seen is not None else Grounded(parts, {}, {})


def describe_grounded(grounded: Grounded) -> Iterator[str]:
    """The lines of a card."""
    if grounded.counts:
        told = ", ".join(f"{count} {KINDS[how]}" for how, count in sorted(grounded.counts.items()))
        yield f"\nPassages in the rows to imitate: {told}.\n"


def own_words(system_prompt: str, wanted: Grounding | None) -> str:
    """The bot's own texts in its rows."""
    return "\n".join((system_prompt, *wanted.hand_overs)) if wanted else system_prompt


def count_grounded(grounded: Grounded) -> dict[str, str | int | float | None]:
    """For a manifest."""
    return {f"passages.{how}": count for how, count in sorted(grounded.counts.items())}


def ground_parts(parts: Parts, seen: Seen, wanted: Grounding) -> Grounded:
    """The parts with one answer a row, and the passages of each row. Nothing is rendered yet (`render_parts`)."""
    counts: Counter[str] = Counter()
    stands = _Stands.of(parts, seen)
    passages: dict[str, tuple[Passage, ...]] = {}
    rows: dict[tuple[Kind, Side], tuple[Named, ...]] = {}
    for (kind, side), own in parts.rows.items():
        kept: dict[str, Named] = {}
        for named in (one for whole in own for one in _one_answer_each(whole)):
            found = stands.below(named.row)
            if kind == "sft" and side is Side.TRAIN:
                named, found, how = _mixed(named, found, wanted)  # noqa: PLW2901
                counts[how] += 1
            kept[named.item_id] = named
            passages[named.item_id] = found
        rows[kind, side] = tuple(kept.values())
    passages |= {named.item_id: stands.below(named.row) for named in parts.questions}
    return Grounded(replace(parts, rows=rows), passages, counts)


def render_parts(parts: Parts, passages: Mapping[str, Sequence[Passage]]) -> Parts:
    """Each row's last question below its passages; all that people said cannot look like the frame."""

    def rendered(named: Named) -> Named:
        found, row = passages.get(named.item_id, ()), named.row
        if isinstance(row, Lesson):
            *before, answer = row.messages
            return replace(named, row=replace(row, messages=(*_rendered(before, found), answer)))
        return replace(named, row=replace(row, prompt=_rendered(row.prompt, found)))

    rows = {place: tuple(map(rendered, own)) for place, own in parts.rows.items()}
    return replace(parts, rows=rows, questions=tuple(map(rendered, parts.questions)))


@dataclass(frozen=True, slots=True)
class _Stands:
    """What may stand in a row."""

    seen: Seen
    calls: Mapping[str, Sequence[str]]
    """Of each conversation the ids that the record has it under: of a dialogue those of its calls."""
    examined: frozenset[str]
    """Conversations that no row is to give away: those held out, and their near-duplicates."""

    @classmethod
    def of(cls, parts: Parts, seen: Seen) -> Self:
        calls = {name: talk.calls or (name,) for name, talk in parts.talks.items()}
        asked = (name for name, side in parts.sides.items() if side is not Side.TRAIN)
        return cls(seen, calls, frozenset(call for name in asked for call in calls[name]))

    def below(self, row: Row) -> tuple[Passage, ...]:
        found = self.seen.get(key_of(_asked(row)), ())
        own = self.calls[row.conversation_id]
        return tuple(
            one for one in found if one.conversation_id not in own and one.conversation_id not in self.examined
        )


def _one_answer_each(named: Named) -> Iterator[Named]:
    """Passages belong to one question: an answer in the middle is learnt in a row of its own."""
    row = named.row
    if not isinstance(row, Lesson):
        yield named
        return
    learnt = [at for at, m in enumerate(row.messages) if m["role"] == "assistant" and m.get("weight", 1)]
    if learnt == [len(row.messages) - 1]:
        yield named
        return
    for at in learnt:
        before = tuple(ChatMessage(**{**m, "weight": 0}) if m["role"] == "assistant" else m for m in row.messages[:at])
        yield name_row(replace(row, messages=(*before, row.messages[at])))


def _mixed(named: Named, found: tuple[Passage, ...], wanted: Grounding) -> tuple[Named, tuple[Passage, ...], str]:
    row = named.row
    assert isinstance(row, Lesson)
    answer = row.messages[-1]
    right = {passage for passage in found if is_right(passage, answer["content"])}
    draw = _draw(named.item_id, wanted.seed)
    if draw < wanted.none_share or not found:
        return named, (), "none"
    missing_share = min(wanted.missing_share, WORDING_SHARE * len(wanted.hand_overs))
    if right and draw < wanted.none_share + missing_share:
        without = tuple(passage for passage in found if passage not in right)
        handed = ChatMessage(**{**answer, "content": _wording(named.item_id, wanted)})
        return replace(named, row=replace(row, messages=(*row.messages[:-1], handed))), without, "missing"
    return named, found, "right" if right else "other"


def is_right(passage: Passage, answer: str) -> bool:
    """Whether what an answer says stands in the passage: one of its numbers, or much of its longer words."""
    said, there = set(words(answer)), set(words(f"{passage.place} {passage.text}"))
    if any(word.isdigit() for word in said & there):
        return True
    telling = {word for word in said if len(word) >= TELLING_LETTERS}
    return bool(telling) and len(telling & there) >= RIGHT_SHARE * len(telling)


def _asked(row: Row) -> list[str]:
    chat = row.messages if isinstance(row, Lesson) else row.prompt
    return [message["content"] for message in chat if message["role"] == "user"]


def _rendered(chat: Sequence[ChatMessage], found: Sequence[Passage]) -> tuple[ChatMessage, ...]:
    last = max((at for at, message in enumerate(chat) if message["role"] == "user"), default=-1)
    return tuple(
        ChatMessage(**{**m, "content": with_passages(m["content"], found if at == last else ())})
        if m["role"] == "user"
        else m
        for at, m in enumerate(chat)
    )


def _wording(item_id: str, wanted: Grounding) -> str:
    return wanted.hand_overs[int(_draw(item_id, wanted.seed + 1) * len(wanted.hand_overs))]


def _draw(item_id: str, seed: int) -> float:
    return int(hashlib.sha256(f"{seed} {item_id}".encode()).hexdigest()[:8], 16) / 16**8
