"""What became of votes, by the datasets of the adapters that were trained since they were cast.

Says what is written down and no more: what a training left out for its length is counted there, not kept vote by vote.
Does not know who may ask.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from collect import registry
from collect.reviews import review_of
from collect.store import Store
from nightschool.errors import InvalidInput
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Feedback, Review, Stage, Vote
from tune.dataset import is_usable
from tune.fates import Standing, find_reason, find_standings
from tune.split import Side
from tune.words import VoteRef

State = Literal["taken-back", "waiting", "learnt", "held-out", "left-out", "unknown"]
MOST_NIGHTS: Final = 30
"""That are looked through, from the first behind the vote."""
MOST_REMEMBERED: Final = 20_000
"""Standings of one vote in one dataset; some 5 MB."""


@dataclass(frozen=True, slots=True)
class Fate:
    state: State
    why: str
    """For the person who voted."""
    adapter: Adapter | None = None
    """The first that learnt it, or whose exam it is kept for."""


class _Found(NamedTuple):
    adapter: Adapter
    standings: frozenset[Standing]


@dataclass(frozen=True, slots=True)
class _Trace:
    """What the nights since have of one vote."""

    since: Sequence[Adapter]
    """The first of them, oldest first."""
    found: list[_Found] = field(default_factory=list)
    """Those whose dataset can still be read, up to the first that learnt it."""

    def first(self, side: Side) -> Adapter | None:
        return next((one.adapter for one in self.found if any(stand.side is side for stand in one.standings)), None)

    @property
    def fate(self) -> Fate | None:
        """None where it is in no row."""
        if learnt := self.first(Side.TRAIN):
            return Fate("learnt", f"Learnt from this in version {learnt.version}.", learnt)
        if examined := self.first(Side.HELD_OUT):
            why = "Kept as a test: new versions are judged by it, and none is trained on it."
            return Fate("held-out", why, examined)
        return None


class Fates:
    """Looks votes up, and remembers what it saw: a dataset never changes."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        self._seen: dict[tuple[str, VoteRef], frozenset[Standing]] = {}

    async def find(self, opinion: Feedback) -> Fate:
        if _is_taken_back(opinion):
            return Fate("taken-back", "You took it back, and nothing is learnt from it.")
        [trace] = await self._trace([opinion], bot=opinion.bot)
        if not trace.since:
            return Fate("waiting", "No version was trained since. The next night looks at it.")
        if fate := trace.fate:
            return fate
        if not trace.found:
            return Fate("unknown", "What was learnt since is not kept any more.")
        review = await self._store.read(partial(review_of, message_id=opinion.message_id))
        newest = trace.found[-1].adapter
        dataset = self._home.dataset(newest.bot, newest.dataset_hash)
        reason = await asyncio.to_thread(find_reason, dataset, VoteRef(opinion.message_id, opinion.voter))
        return Fate("left-out", _why_left_out(opinion, review, reason))

    async def find_used(self, opinions: Iterable[Feedback], *, bot: BotName) -> dict[str, Fate]:
        """Of one person's opinions those that a version learnt or is judged by, by the answer's id.

        One look at the registry, and one at each dataset since, for all of them.
        """
        standing = [opinion for opinion in opinions if not _is_taken_back(opinion)]
        traces = await self._trace(standing, bot=bot) if standing else []
        return {said.message_id: fate for said, trace in zip(standing, traces, strict=True) if (fate := trace.fate)}

    async def _trace(self, opinions: Sequence[Feedback], *, bot: BotName) -> list[_Trace]:
        """In the order of `opinions`."""
        adapters = await self._store.read(partial(registry.adapters, bot=bot))
        # One from outside learnt nothing of what was said here.
        trained = [a for a in reversed(adapters) if a.stage is not Stage.TAINTED and a.dataset_hash]
        traces = {
            VoteRef(said.message_id, said.voter): _Trace(
                [adapter for adapter in trained if adapter.created_at > said.voted_at][:MOST_NIGHTS]
            )
            for said in opinions
        }
        for adapter in trained:
            sought = [v for v, trace in traces.items() if adapter in trace.since and not trace.first(Side.TRAIN)]
            for vote, standings in (await self._standings(adapter, sought)).items():
                traces[vote].found.append(_Found(adapter, standings))
        return list(traces.values())

    async def _standings(self, adapter: Adapter, votes: Sequence[VoteRef]) -> Mapping[VoteRef, frozenset[Standing]]:
        """Empty where its dataset cannot be read any more."""
        known = {vote: seen for vote in votes if (seen := self._seen.get((adapter.dataset_hash, vote))) is not None}
        if unseen := [vote for vote in votes if vote not in known]:
            folder = self._home.dataset(adapter.bot, adapter.dataset_hash)
            known |= await asyncio.to_thread(_read, folder, unseen)
            if len(self._seen) > MOST_REMEMBERED:
                self._seen.clear()
            self._seen |= {(adapter.dataset_hash, vote): standings for vote, standings in known.items()}
        return known


def _is_taken_back(opinion: Feedback) -> bool:
    return opinion.vote is Vote.NONE and not opinion.ideal_answer


def _read(dataset: Path, votes: Sequence[VoteRef]) -> dict[VoteRef, frozenset[Standing]]:
    with suppress(InvalidInput):
        if is_usable(dataset):
            return find_standings(dataset, votes)
    return {}


def _why_left_out(opinion: Feedback, review: Review | None, reason: str | None) -> str:
    if review is not None and not review.approved:
        return "An operator kept this answer out of training."
    if review is None and opinion.ideal_answer:
        return "The answer that you suggested waits for an operator."
    if reason:
        return f"No row came of it: {reason}."
    return (
        "No row came of it: votes that contradict one another, answers with personal data, repetitions, and what is "
        "more than one person's share are left out."
    )
