"""Held-out votes: answers that people rated, and pairs of which one is the better, put to every contestant.

Nobody answers anything here: each contestant says how likely it finds the very texts that people rated, after the same
prompts, through the served engine, as references are scored. Does not know what comes of it.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict

from eval.answers import Contestant, ReferenceScore, gather_or_first_failure, score_reference
from eval.kept import Kept, kept_file
from eval.suites import SuiteRow, choose_rows, hash_row
from eval.vote_scores import VoteScore, can_judge
from nightschool.engine import Engine
from nightschool.errors import InvalidInput
from nightschool.records import ChatMessage
from nightschool.tables import read_rows

VOTES_HELD_OUT: Final = "votes_held_out.parquet"
PAIRS_HELD_OUT: Final = "pairs_held_out.parquet"


class HeldVotes(NamedTuple):
    """A text that people rated stands in the place of a reference."""

    liked: tuple[SuiteRow, ...] = ()
    disliked: tuple[SuiteRow, ...] = ()
    pairs: tuple[tuple[SuiteRow, SuiteRow], ...] = ()
    """The better one first."""

    @property
    def texts(self) -> list[SuiteRow]:
        return [*self.liked, *self.disliked, *(row for pair in self.pairs for row in pair)]

    def can_judge(self, *, asked: int, least: int) -> bool:
        """See `eval.vote_scores.can_judge`."""
        return can_judge(map(witness_of, self.liked), map(witness_of, self.disliked), asked=asked, least=least)

    def without(self, row_ids: frozenset[str]) -> "HeldVotes":
        return HeldVotes(
            tuple(row for row in self.liked if row.row_id not in row_ids),
            tuple(row for row in self.disliked if row.row_id not in row_ids),
            tuple(pair for pair in self.pairs if not {pair[0].row_id, pair[1].row_id} & row_ids),
        )


class _Rated(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation_id: str
    person: str | None = None
    prompt: tuple[ChatMessage, ...]


class _Vote(_Rated):
    answer: str
    is_good: bool


class _Pair(_Rated):
    chosen: str
    rejected: str


_R = TypeVar("_R", bound=_Rated)


def read_held_votes(dataset: Path) -> HeldVotes:
    """All of them; none where the dataset holds no such files. Raises InvalidInput."""
    liked: list[SuiteRow] = []
    disliked: list[SuiteRow] = []
    for vote in _read(dataset / VOTES_HELD_OUT, _Vote):
        (liked if vote.is_good else disliked).append(_row(vote, vote.answer))
    pairs = [(_row(pair, pair.chosen), _row(pair, pair.rejected)) for pair in _read(dataset / PAIRS_HELD_OUT, _Pair)]
    return HeldVotes(tuple(liked), tuple(disliked), tuple(pairs))


def choose_votes(held: HeldVotes, *, max_rows: int, rotation: str) -> HeldVotes:
    """At most `max_rows` votes, of each kind half, and as many pairs, chosen as an exam's rows are."""
    better = {row.row_id for row in choose_rows([pair[0] for pair in held.pairs], max_rows=max_rows, rotation=rotation)}
    pairs = {pair[0].row_id + pair[1].row_id: pair for pair in held.pairs if pair[0].row_id in better}
    return HeldVotes(
        choose_rows(held.liked, max_rows=max_rows // 2, rotation=rotation),
        choose_rows(held.disliked, max_rows=max_rows // 2, rotation=rotation),
        tuple(list(pairs.values())[:max_rows]),
    )


class Heard(NamedTuple):
    """What one contestant finds of each text, by row id, and the texts that exceed the engine's context."""

    nats: dict[str, float]
    too_long: frozenset[str]
    asked: int


async def score_votes(
    engine: Engine, held: HeldVotes, *, contestant: Contestant, cache: Path, in_flight: int = 16
) -> Heard:
    """Raises EvaluationFailed and what the engine raises, the first failure of all."""
    kept = Kept(kept_file(cache, contestant.content_hash, what="votes"), ReferenceScore)
    slots = asyncio.Semaphore(in_flight)
    texts = {row.row_id: row for row in held.texts}
    wanted = [row for row in texts.values() if kept.find(row.row_id) is None]

    async def one(row: SuiteRow) -> str | None:
        async with slots:
            try:
                kept.keep(row.row_id, await score_reference(engine, row, model=contestant.model), row_id=row.row_id)
            except InvalidInput:
                return row.row_id
        return None

    refused = await gather_or_first_failure([one(row) for row in wanted])
    scored = {row_id: kept.find(row_id) for row_id in texts}
    nats = {row_id: score.logprob_sum / score.tokens for row_id, score in scored.items() if score is not None}
    return Heard(nats=nats, too_long=frozenset(filter(None, refused)), asked=len(wanted))


def vote_scores(held: HeldVotes, nats: dict[str, float], *, contestant: Contestant) -> Iterator[VoteScore]:
    """A row for each vote and pair; each of their texts stands in `nats`."""
    label = contestant.label
    for row in held.liked:
        yield VoteScore(label, row.row_id, witness_of(row), nats[row.row_id], None)
    for row in held.disliked:
        yield VoteScore(label, row.row_id, witness_of(row), None, nats[row.row_id])
    for better, worse in held.pairs:
        name = f"{better.row_id}:{worse.row_id}"
        yield VoteScore(label, name, witness_of(better), nats[better.row_id], nats[worse.row_id])


def witness_of(row: SuiteRow) -> str:
    return row.person or row.conversation_id


def _row(rated: _Rated, text: str) -> SuiteRow:
    prompt = tuple(ChatMessage(role=message["role"], content=message["content"]) for message in rated.prompt)
    row_id = hash_row(rated.conversation_id, prompt, reference=text)
    return SuiteRow(row_id, rated.conversation_id, prompt, text, person=rated.person)


def _read(file: Path, kind: type[_R]) -> Iterator[_R]:
    # Evaluations by hand are of datasets of every age.
    return read_rows(file, kind, row="a rated answer") if file.exists() else iter(())
