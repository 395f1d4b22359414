"""A record made for measuring what is learnt: imported conversations, and chats with votes behind which a taste stands.

Built through the record's own doors: an import for those to learn from, one for those kept back, and browsers that ask
a question, get two answers, like the one that their taste prefers and dislike the other; so many of them, by chance,
say the opposite. Which groups of the data serve for what is drawn by hash, so none serves twice.
"""

import asyncio
import gzip
import hashlib
import json
import random
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.common.ballots import Ballot, cast_ballots
from collect.formats.read import ParsedConversation
from collect.imports import import_conversations
from collect.snapshot import write_snapshot
from collect.store import Store, open_store
from nightschool.records import BotName, ChatMessage, Vote
from tune.dataset import build_dataset

BOT: Final = BotName("support")
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
HELD_OUT_SHARE: Final = 0.02
SYSTEM_PROMPT: Final = "You answer a company's customers: politely, briefly and to the point."


@dataclass(frozen=True)
class Example:
    question: str
    answer: str
    topic: str
    group: str

    @property
    def chat(self) -> tuple[ChatMessage, ...]:
        return (
            ChatMessage(role="system", content=SYSTEM_PROMPT),
            ChatMessage(role="user", content=self.question),
            ChatMessage(role="assistant", content=self.answer),
        )


class Class(NamedTuple):
    taught: list[Example]
    examined: list[Example]
    voted: list[Example]
    others: Mapping[str, list[Example]]
    """Every example of the parts `examined` and `voted`, whether asked or not: where second answers come from."""


class Sizes(NamedTuple):
    taught: int
    examined: int
    voted: int


def read_class(data: Path, sizes: Sizes, *, seed: int, longest_chars: int | None = None) -> Class:
    """Examples of single questions and answers, each group of `data` in one part only."""
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    parts: dict[int, list[Example]] = defaultdict(list)
    shares = [sum(sizes[: part + 1]) / sum(sizes) for part in range(len(sizes))]
    for row in sorted(rows, key=lambda row: _draw(seed, str(row["id"]))):
        place = _draw(seed, str(row["group"]))
        question, answer = (message["content"] for message in row["messages"])
        if longest_chars is not None and len(question) + len(answer) > longest_chars:
            continue
        part = next(part for part, until in enumerate(shares) if place <= until)
        parts[part].append(Example(question, answer, row["intent"], row["group"]))
    taught, examined, voted = (parts[part][:size] for part, size in enumerate(sizes))
    return Class(taught, examined, voted, others={"examined": parts[1], "voted": parts[2]})


def build_class_dataset(pupils: Class, folder: Path, *, taste: Callable[[str], bool], noise: float, seed: int) -> Path:
    """The dataset of such a record, below `folder`; of the chats that voted a few are kept from training.

    The one that is there already is taken.
    """
    sets = folder / "datasets"
    if sets.exists():
        [made_before] = sets.iterdir()
        return made_before
    write_record(pupils, folder, taste=taste, noise=noise, seed=seed)
    made = build_dataset(
        folder / "snapshot", sets, system_prompt=SYSTEM_PROMPT, held_out_share=HELD_OUT_SHARE, seed=seed
    )
    print(made.model_dump_json(), file=sys.stderr, flush=True)
    return sets / made.folder_name


def write_record(pupils: Class, folder: Path, *, taste: Callable[[str], bool], noise: float, seed: int) -> None:
    """`folder`/snapshot: what a night would read of such a record."""
    asyncio.run(_write_record(pupils, folder, taste=taste, noise=noise, seed=seed))


async def _write_record(pupils: Class, folder: Path, *, taste: Callable[[str], bool], noise: float, seed: int) -> None:
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
        await _bring_in(store, pupils.taught, is_held_out=False)
        await _bring_in(store, pupils.examined, is_held_out=True)
        pairs = pair_up(pupils.voted, pupils.others["voted"], taste=taste)
        await cast_ballots(store, map(_to_ballot, _flip(pairs, noise=noise, seed=seed)), bot=BOT, at=AT)
        until = AT + timedelta(days=1)
        await store.read(partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=until))


async def _bring_in(store: Store, examples: Sequence[Example], *, is_held_out: bool) -> None:
    parsed = [ParsedConversation(n, example.chat, topic=example.topic) for n, example in enumerate(examples, start=1)]
    await store.write(partial(import_conversations, bot=BOT, conversations=parsed, is_held_out=is_held_out, at=AT))


def pair_up(
    examples: Sequence[Example], others: Sequence[Example], *, taste: Callable[[str], bool]
) -> Iterator[tuple[Example, Example]]:
    """(better, worse) for each question to whose topic one of `others` has an answer of the other kind."""
    answers: Mapping[tuple[str, bool], list[str]] = defaultdict(list)
    for other in others:
        answers[other.topic, taste(other.answer)].append(other.answer)
    for number, example in enumerate(examples):
        of_other_kind = answers[example.topic, not taste(example.answer)]
        if of_other_kind:
            other = replace(example, answer=of_other_kind[number % len(of_other_kind)])
            yield (example, other) if taste(example.answer) else (other, example)


def _flip(pairs: Iterable[tuple[Example, Example]], *, noise: float, seed: int) -> Iterator[tuple[Example, Example]]:
    chance = random.Random(seed)
    for better, worse in pairs:
        yield (worse, better) if chance.random() < noise else (better, worse)


def _to_ballot(pair: tuple[Example, Example]) -> Ballot:
    liked, disliked = pair
    asked = [ChatMessage(role="user", content=liked.question)]
    return Ballot(asked, [(disliked.answer, Vote.DOWN), (liked.answer, Vote.UP)])


def _draw(seed: int, name: str) -> float:
    """0..1, always the same for the same name."""
    return int(hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:12], 16) / 16**12
