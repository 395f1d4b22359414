"""When each bot goes to school, and who owns the nights that run.

A clock looks every few seconds at what the bots' files say and begins the nights that came due. What must last is in
the record: since when a schedule stands, and which dates had their night. A slot that passed unseen is caught up once.
Does not know what a night does.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Literal, NamedTuple, Protocol

from collect import cycles, schedules
from collect.store import Store
from deploy.board import Board
from deploy.cycle import NightPlan
from deploy.queue import Queue
from nightschool.bots import Bot, BotShelf
from nightschool.errors import Busy, NightschoolError
from nightschool.records import BotName, Cycle, utc_now
from nightschool.tasks import TasksByName
from nightschool.timetable import SchedulePart

Trigger = Literal["schedule", "catch-up", "operator"]
Tidy = Callable[[], Awaitable[object]]

log = logging.getLogger(__name__)

TICK_S: Final = 10
CATCH_UP_PERIOD_S: Final = 300
LOOK_BACK: Final = timedelta(days=7)
ERASURE: Final = BotName("an erasure")
"""For whom an exam waits; no bot is called so."""


class Runner(Protocol):
    """What the clock asks of the one who runs nights (`deploy.cycle.NightRunner`)."""

    @property
    def queue(self) -> Queue: ...

    @property
    def exams(self) -> Queue: ...

    @property
    def board(self) -> Board: ...

    async def claim(
        self, bot: BotName, *, trigger: Trigger, actor: str, force: bool, local_date: date | None
    ) -> Cycle: ...

    async def run(self, cycle: Cycle) -> Cycle: ...

    async def plan(self, bot: BotName) -> NightPlan: ...

    async def build(self, bot: BotName) -> NightPlan: ...

    async def interrupted(self) -> list[Cycle]: ...


class _Standing(NamedTuple):
    schedule: str
    since: datetime


class Nights:
    """Starts nights by the clock or on demand, and owns their tasks. Made by `run_nights`."""

    def __init__(
        self,
        runner: Runner,
        store: Store,
        shelf: BotShelf,
        *,
        tasks: asyncio.TaskGroup,
        tidy: Tidy | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._runner = runner
        self._store = store
        self._shelf = shelf
        self._tasks = TasksByName(tasks)
        self._tidy = tidy
        self._now = now
        self._looked_at = now()
        self._standing: dict[BotName, _Standing] = {}
        # Guards the time between a cycle's row and its task, in which `resume` would take it for a dead server's, and
        # what a night may find on the disk while old ones are tidied away.
        self._beginning = asyncio.Lock()
        # Guards what is read of the record outside of a night: a dataset that came of it behind an erasure would hold
        # what was erased.
        self._looking_ahead = asyncio.Lock()

    async def start(self, bot: BotName, *, actor: str, force: bool = False) -> Cycle:
        """Begin a cycle now. Returns once it is claimed; it goes on by itself. Raises Busy, Unavailable."""
        self._shelf.look()
        self._shelf.find(bot)
        return await self._begin(bot, trigger="operator", local_date=None, actor=actor, force=force)

    async def plan(self, bot: BotName) -> NightPlan:
        """What a cycle would do now."""
        self._shelf.look()
        self._shelf.find(bot)
        async with self._looking_ahead:
            return await self._runner.plan(bot)

    async def build(self, bot: BotName) -> NightPlan:
        """The dataset that a cycle would learn from now, kept in the data folder. Raises Unavailable without room."""
        self._shelf.look()
        self._shelf.find(bot)
        async with self._looking_ahead:
            return await self._runner.build(bot)

    @property
    def queue(self) -> Queue:
        """Whose turn it is to train."""
        return self._runner.queue

    @property
    def exams(self) -> Queue:
        """Whose turn it is to be examined."""
        return self._runner.exams

    @property
    def board(self) -> Board:
        """How far the trainings under way are."""
        return self._runner.board

    def ahead_of(self, bot: BotName) -> BotName | None:
        """Whose training or exam the bot waits for; None where it waits for nobody's."""
        return self.queue.ahead_of(bot) or self.exams.ahead_of(bot)

    def next_runs(self) -> Mapping[BotName, datetime | None]:
        """When each bot's next night begins, by its own clock; None where its schedule is off."""
        return {name: _next_run(bot.schedule, after=self._now()) for name, bot in self._shelf.bots.items()}

    async def resume(self) -> None:
        """Go on with the cycles that a dead server left running."""
        async with self._beginning:
            for cycle in await self._runner.interrupted():
                if cycle.cycle_id not in self._tasks.names:
                    log.info("bot=%s cycle=%s resumed", cycle.bot, cycle.cycle_id)
                    self._tasks.start(cycle.cycle_id, self._go_to_school(cycle))

    async def close(self) -> None:
        """Stop the nights in flight; the next start goes on with them."""
        await self._tasks.stop_all()

    async def run_clock(self) -> None:
        """Begin nights as they come due, and now and then those that were missed; until cancelled."""
        await self.tidy()
        ticks = 0
        while True:
            await self.tick()
            ticks += 1
            await asyncio.sleep(TICK_S)
            if ticks % (CATCH_UP_PERIOD_S // TICK_S) == 0:
                await self.catch_up()

    async def tick(self) -> None:
        """Begin the nights that came due since the last look."""
        looked_at, self._looked_at = self._looked_at, self._now()
        await self._begin_due(after=looked_at, trigger="schedule")

    async def catch_up(self) -> None:
        """Run the newest slot of each bot that passed since its schedule stands, where it had no night."""
        await self._begin_due(after=self._now() - LOOK_BACK, trigger="catch-up")

    @asynccontextmanager
    async def at_rest(self) -> AsyncIterator[Collection[BotName]]:
        """No night begins in the block, nothing is looked ahead and nobody is examined; what runs goes on: a night, and
        the exam of those whose bots are yielded."""
        async with self._looking_ahead, self._beginning:
            if examined := self.exams.order:
                yield examined
            else:
                async with self.exams.turn(ERASURE):
                    yield ()

    async def tidy(self) -> None:
        """Free what old nights left and nobody needs."""
        if self._tidy is None:
            return
        try:
            async with self._beginning:
                await self._tidy()
        except Exception:
            # Nobody waits for it, and the next night tries again.
            log.exception("old nights could not be tidied away")

    async def _begin_due(self, *, after: datetime, trigger: Literal["schedule", "catch-up"]) -> None:
        for bot in self._shelf.bots.values():
            try:
                slot = await self._due_slot(bot, after=after)
                if slot:
                    await self._begin(bot.bot_name, trigger=trigger, local_date=slot, actor=trigger, force=False)
            except Busy as error:
                log.info("bot=%s night not begun: %s", bot.name, error)
            except NightschoolError as error:
                log.error("bot=%s night not begun: %s", bot.name, error)
            except Exception:
                # A fault of ours in one bot's night must stop neither the others' clocks nor the server.
                log.exception("bot=%s night not begun", bot.name)

    async def _due_slot(self, bot: Bot, *, after: datetime) -> date | None:
        """The date of the newest slot behind `after` that nobody went to."""
        # Asked while it is off too: once it is on again, what passed meanwhile was not missed.
        now = self._now()
        since = await self._stands_since(bot, now=now)
        if not bot.schedule.enabled:
            return None
        slot = bot.schedule.newest_slot(after=max(after, since), until=now)
        if slot is None:
            return None
        had = await self._store.read(partial(cycles.had_night, bot=bot.bot_name, local_date=slot.local_date))
        return None if had else slot.local_date

    async def _stands_since(self, bot: Bot, *, now: datetime) -> datetime:
        part = bot.schedule
        schedule = f"{part.cron} {part.time_zone}" if part.enabled else "off"
        known = self._standing.get(bot.bot_name)
        if known is None or known.schedule != schedule or known.since > now:
            see = partial(schedules.stands_since, bot=bot.bot_name, schedule=schedule, at=now)
            known = self._standing[bot.bot_name] = _Standing(schedule, await self._store.write(see))
        return known.since

    async def _begin(
        self,
        bot: BotName,
        *,
        trigger: Trigger,
        local_date: date | None,
        actor: str,
        force: bool,
    ) -> Cycle:
        async with self._beginning:
            cycle = await self._runner.claim(bot, trigger=trigger, actor=actor, force=force, local_date=local_date)
            self._tasks.start(cycle.cycle_id, self._go_to_school(cycle))
        return cycle

    async def _go_to_school(self, cycle: Cycle) -> None:
        try:
            await self._runner.run(cycle)
        except Exception:
            # It would end the task group, and with it the server; the next start finds the cycle running.
            log.exception("bot=%s cycle=%s broke off", cycle.bot, cycle.cycle_id)
        await self.tidy()


def _next_run(schedule: SchedulePart, *, after: datetime) -> datetime | None:
    return schedule.next_slot(after=after).at.astimezone(schedule.zone) if schedule.enabled else None


@asynccontextmanager
async def run_nights(
    runner: Runner,
    store: Store,
    shelf: BotShelf,
    *,
    tidy: Tidy | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[Nights]:
    """The clock and its nights for the length of the block; the next start goes on with what its end cut off."""
    async with asyncio.TaskGroup() as tasks:
        nights = Nights(runner, store, shelf, tasks=tasks, tidy=tidy, now=now)
        clock = tasks.create_task(nights.run_clock())
        try:
            yield nights
        finally:
            clock.cancel()
            await nights.close()
