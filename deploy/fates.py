"""What became of a vote, by the datasets of the adapters that were trained since it was cast.

Says what is written down and no more: why a night made no row of a vote is counted on the dataset's card, not kept vote
by vote. Does not know who may ask.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, NamedTuple

from collect import registry
from collect.reviews import review_of
from collect.store import Store
from nightschool.errors import InvalidInput
from nightschool.home import Home
from nightschool.records import Adapter, Feedback, Review, Stage, Vote
from tune.dataset import is_usable
from tune.fates import Standing, find_standings
from tune.split import Side

State = Literal["taken-back", "waiting", "learnt", "held-out", "left-out", "unknown"]
MOST_NIGHTS: Final = 30
"""That are looked through, from the first behind the vote."""


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


async def find_fate(store: Store, home: Home, *, opinion: Feedback) -> Fate:
    if opinion.vote is Vote.NONE and not opinion.ideal_answer:
        return Fate("taken-back", "You took it back, and nothing is learnt from it.")
    adapters = await store.read(partial(registry.adapters, bot=opinion.bot))
    since = [
        adapter
        for adapter in reversed(adapters)
        if adapter.created_at > opinion.voted_at and adapter.stage is not Stage.TAINTED
    ]
    if not since:
        return Fate("waiting", "No version was trained since. The next night looks at it.")
    found = await asyncio.to_thread(lambda: tuple(_look(home, since[:MOST_NIGHTS], opinion=opinion)))
    if learnt := _first(found, Side.TRAIN):
        return Fate("learnt", f"Learnt from this in version {learnt.version}.", learnt)
    if examined := _first(found, Side.HELD_OUT):
        why = "Kept for the exam: versions are judged by it, and none is trained on it."
        return Fate("held-out", why, examined)
    if not found:
        return Fate("unknown", "What was learnt since is not kept any more.")
    review = await store.read(partial(review_of, message_id=opinion.message_id))
    return Fate("left-out", _why_left_out(opinion, review))


def _first(found: Sequence[_Found], side: Side) -> Adapter | None:
    """The first adapter in whose dataset the vote stands on that side."""
    return next((one.adapter for one in found if any(standing.side is side for standing in one.standings)), None)


def _look(home: Home, adapters: Sequence[Adapter], *, opinion: Feedback) -> Iterator[_Found]:
    """Each adapter whose dataset can still be read, with what it has of the vote."""
    for adapter in adapters:
        dataset = home.dataset(adapter.bot, adapter.dataset_hash)
        with suppress(InvalidInput):
            if is_usable(dataset):
                found = find_standings(dataset, message_id=opinion.message_id, voter=opinion.voter)
                yield _Found(adapter, found)


def _why_left_out(opinion: Feedback, review: Review | None) -> str:
    if review is not None and not review.approved:
        return "An operator kept this answer out of training."
    if review is None and opinion.ideal_answer:
        return "The answer that you suggested waits for an operator."
    return (
        "No row came of it: votes that contradict one another, answers with personal data, repetitions, and what is "
        "more than one person's share are left out."
    )
