"""One bot's night: wait until it is over, then find out what it came to and whether that was right.

The verdict is the gate's; the truth is the hidden satisfaction (`bench.common.truth`). Does not know the days.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from bench.common.journal import Journal
from bench.common.moved_server import Site
from bench.common.night_lines import NightLine
from bench.common.shop_measure import Measured, measure
from bench.common.shop_world import Hidden
from bench.common.truth import judge, measure_gain
from collect import cycles, registry
from deploy.plan import NightFolder
from nightschool.records import Adapter, BotName, Cycle, CycleState, Outcome
from tune.fates import find_standings
from tune.split import Side
from tune.words import VoteRef

LOOK_S: Final = 1.0
NIGHT_HOUR: Final = 3


@dataclass(frozen=True)
class Arm:
    """One bot: what is tried with it."""

    bot: BotName
    suffix: str
    """Of its figures."""
    recipe: str = ""
    """Further lines of its recipe."""
    is_always_promoted: bool = False
    """Whatever the verdict."""


def begun_at(day: int, *, first: datetime) -> datetime:
    """When the night behind that day has just come due."""
    night = (first + timedelta(days=day + 1)).replace(hour=NIGHT_HOUR)
    return night + timedelta(seconds=1)


class Lived(NamedTuple):
    """A night that has ended."""

    cycle: Cycle
    spent: Mapping[str, float]
    """Seconds of each of its steps, as seen once a second."""


async def wait_for_night(site: Site, arm: Arm, *, date: date) -> Lived:
    """The night of that date; the server's own schedule begins it."""
    spent: defaultdict[str, float] = defaultdict(float)
    looked = time.monotonic()
    while True:
        for cycle in await site.parts.store.read(partial(cycles.list_cycles, bot=arm.bot)):
            if cycle.local_date == date and cycle.state is not CycleState.RUNNING:
                return Lived(cycle, spent)
            if cycle.local_date == date:
                spent[cycle.step] += time.monotonic() - looked
        looked = time.monotonic()
        await asyncio.sleep(LOOK_S)


async def take_stock(
    site: Site, arm: Arm, lived: Lived, *, day: int, journal: Journal, hidden: Sequence[Hidden], folder: Path
) -> NightLine:
    """The night's line; measured answers lie in `folder`. Promotes where the arm always does."""
    cycle, began = lived.cycle, time.monotonic()
    adapters = {a.version: a for a in await site.parts.store.read(partial(registry.adapters, bot=arm.bot))}
    [before] = journal.of_day(day, "production")
    candidate = adapters.get(cycle.candidate) if cycle.candidate else None
    ask = partial(_measure, site, arm, hidden=hidden, folder=folder)
    base, production = await ask(None), await ask(adapters.get(before))
    tried = await ask(candidate) if candidate else None
    went_live = cycle.outcome is Outcome.PROMOTE
    if arm.is_always_promoted and candidate and not went_live:
        await _promote(site, candidate)
        went_live = True
    live = tried if tried and went_live else production
    gain = None
    if tried:
        phrases = [one.question.phrase for one in hidden]
        gain = measure_gain(tried.satisfactions(hidden), production.satisfactions(hidden), phrases)
    hostile, ruled = journal.hostile_votes(until=day), journal.ruled(until=day)
    learnt, examined = _reached(site, cycle, [vote for vote in hostile if vote.message_id not in ruled])
    return NightLine(
        bot=arm.bot,
        day=day,
        verdict=str(cycle.outcome or "failed"),
        reasons=cycle.reasons,
        went_live=went_live,
        base=_mean(base, hidden),
        production=_mean(production, hidden),
        candidate=_mean(tried, hidden) if tried else None,
        live=_mean(live, hidden),
        gain=(gain.low, gain.mean, gain.high) if gain else None,
        ruling=judge(went_live=went_live, gain=gain) if gain else None,
        retention_loss=live.loss_against(base),
        hostile_votes=len(hostile),
        hostile_learnt=learnt,
        hostile_examined=examined,
        seconds=(cycle.finished_at - cycle.started_at).total_seconds() if cycle.finished_at else 0.0,
        spent={"chat": sum(journal.of_day(day, "chat_s")), **lived.spent, "hidden questions": time.monotonic() - began},
    )


async def _measure(
    site: Site, arm: Arm, adapter: Adapter | None, *, hidden: Sequence[Hidden], folder: Path
) -> Measured:
    return await measure(site, site.parts.shelf.find(arm.bot), adapter, hidden=hidden, folder=folder)


async def _promote(site: Site, candidate: Adapter) -> None:
    body = {"bot": candidate.bot, "version": candidate.version, "reason": "the benchmark goes without the gate"}
    (await site.operator.post("/ops/promote", json=body)).raise_for_status()


def _reached(site: Site, cycle: Cycle, votes: Sequence[VoteRef]) -> tuple[int, int]:
    """How many of the votes the night's dataset learns from, and how many it is judged by."""
    home = site.parts.home
    data = NightFolder(home.cycle(cycle.bot, cycle.cycle_id)).read_dataset()
    if data is None:
        return 0, 0
    found = find_standings(home.dataset(cycle.bot, data.content_hash), votes).values()
    sides = [{standing.side for standing in standings} for standings in found]
    return sum(Side.TRAIN in side for side in sides), sum(Side.HELD_OUT in side for side in sides)


def _mean(measured: Measured, hidden: Sequence[Hidden]) -> float:
    satisfied = measured.satisfactions(hidden)
    return sum(satisfied) / len(satisfied)
