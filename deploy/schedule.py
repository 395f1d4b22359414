"""When each bot goes to school, and who owns the nights that run.

APScheduler holds the cron times in memory, rebuilt from the bots' files at start and whenever a file changes; what must
last is the cycle's row in the record. A night that was missed while the server was down is caught up once. Traps (see
docs/nights.md): a misfire grace of one second loses nights, and numbered weekdays differ from cron's.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from functools import partial
from typing import Final, Literal
from zoneinfo import ZoneInfo

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

from collect import bots as bot_records
from collect import cycles
from collect.store import Store
from deploy.cycle import NightPlan, NightRunner
from nightschool.bots import Bot, BotShelf, SchedulePart
from nightschool.errors import Busy, NightschoolError
from nightschool.records import BotName, Cycle, utc_now

log = logging.getLogger(__name__)

SYNC_PERIOD_S: Final = 10
CATCH_UP_PERIOD_S: Final = 300
LOOK_BACK: Final = timedelta(days=7)


class Nights:
    """Starts nights by the clock or on demand, and owns their tasks. Made by `run_nights`."""

    def __init__(
        self,
        runner: NightRunner,
        store: Store,
        shelf: BotShelf,
        *,
        tasks: asyncio.TaskGroup,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._runner = runner
        self._store = store
        self._shelf = shelf
        self._tasks = tasks
        self._now = now
        self._running: dict[str, asyncio.Task[Cycle]] = {}
        self._scheduled: dict[BotName, SchedulePart] = {}
        self._scheduler = AsyncIOScheduler(timezone="UTC")

    async def start(self, bot: BotName, *, actor: str, force: bool = False) -> Cycle:
        """Begin a cycle now. Returns once it is claimed; it goes on by itself. Raises Busy, Unavailable."""
        self._shelf.find(bot)
        return await self._begin(bot, trigger="operator", local_date=None, actor=actor, force=force)

    async def plan(self, bot: BotName) -> NightPlan:
        """What a cycle would do now."""
        self._shelf.find(bot)
        return await self._runner.plan(bot)

    def next_runs(self) -> Mapping[BotName, datetime | None]:
        """When each bot's next night begins; None where its schedule is off."""
        jobs = {BotName(job.id): job.next_run_time for job in self._scheduler.get_jobs()}
        return {name: jobs.get(name) for name in self._shelf.bots}

    def open(self) -> None:
        """Start the clock."""
        self._scheduler.add_job(self._follow_files, "interval", seconds=SYNC_PERIOD_S, id="@sync", **_NEVER_LOSE)
        self._scheduler.add_job(self.catch_up, "interval", seconds=CATCH_UP_PERIOD_S, id="@catch-up", **_NEVER_LOSE)
        self._scheduler.start()
        self.follow_files()

    def close(self) -> None:
        """Stop the clock and the nights in flight; the next start goes on with them."""
        self._scheduler.shutdown(wait=False)
        for task in self._running.values():
            task.cancel()

    async def resume(self) -> None:
        """Go on with the cycles that a dead server left running."""
        for cycle in await self._runner.interrupted():
            if cycle.cycle_id not in self._running:
                log.info("bot=%s cycle=%s resumed", cycle.bot, cycle.cycle_id)
                self._own(cycle, actor="resume", force=False)

    async def catch_up(self) -> None:
        """Run the newest slot of each bot that passed since its last night without one."""
        for bot in self._shelf.bots.values():
            if bot.schedule.enabled and (slot := await self._missed_slot(bot)):
                await self._begin_quietly(bot.bot_name, trigger="catch-up", slot=slot)

    async def _missed_slot(self, bot: Bot) -> date | None:
        now = self._now()
        first_seen = await self._store.write(partial(bot_records.see_bot, bot=bot.bot_name, at=now))
        last = await self._store.read(partial(cycles.last_night, bot=bot.bot_name))
        zone = ZoneInfo(bot.schedule.time_zone)
        # A changed schedule has no past: its slots count from when this server first saw it.
        newest = None
        slot = trigger_of(bot.schedule).get_next_fire_time(None, max(first_seen, now - LOOK_BACK))
        while slot is not None and slot <= now:
            newest = slot.astimezone(zone).date()
            slot = trigger_of(bot.schedule).get_next_fire_time(slot, slot + timedelta(microseconds=1))
        return newest if newest and (last is None or newest > last) else None

    async def _follow_files(self) -> None:
        # On the loop: APScheduler would run a plain function in a thread.
        self.follow_files()

    def follow_files(self) -> None:
        """Bring the clock to what the bots' files say now."""
        bots = self._shelf.bots
        wanted = {name: bot.schedule for name, bot in bots.items() if bot.schedule.enabled}
        for name in self._scheduled.keys() - wanted.keys():
            self._scheduler.remove_job(name)
            del self._scheduled[name]
        for name, schedule in wanted.items():
            if self._scheduled.get(name) != schedule:
                self._scheduler.add_job(
                    self._fire, trigger_of(schedule), args=[name], id=name, replace_existing=True, **_NEVER_LOSE
                )
                self._scheduled[name] = schedule
                log.info("bot=%s schedule=%s time_zone=%s", name, schedule.cron, schedule.time_zone)

    async def _fire(self, bot: BotName) -> None:
        zone = ZoneInfo(self._shelf.find(bot).schedule.time_zone)
        await self._begin_quietly(bot, trigger="schedule", slot=self._now().astimezone(zone).date())

    async def _begin_quietly(self, bot: BotName, *, trigger: Literal["schedule", "catch-up"], slot: date) -> None:
        try:
            await self._begin(bot, trigger=trigger, local_date=slot, actor=trigger, force=False)
        except Busy as error:
            log.info("bot=%s night=%s not begun: %s", bot, slot, error)
        except NightschoolError as error:
            log.error("bot=%s night=%s not begun: %s", bot, slot, error)

    async def _begin(
        self,
        bot: BotName,
        *,
        trigger: Literal["schedule", "catch-up", "operator"],
        local_date: date | None,
        actor: str,
        force: bool,
    ) -> Cycle:
        cycle = await self._runner.claim(bot, trigger=trigger, local_date=local_date)
        self._own(cycle, actor=actor, force=force)
        return cycle

    def _own(self, cycle: Cycle, *, actor: str, force: bool) -> None:
        task = self._tasks.create_task(self._runner.run(cycle, actor=actor, force=force))
        self._running[cycle.cycle_id] = task
        task.add_done_callback(lambda _: self._running.pop(cycle.cycle_id, None))


_NEVER_LOSE: Final = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}


def trigger_of(schedule: SchedulePart) -> CronTrigger:
    """APScheduler's trigger of a bot's cron line, in the bot's time zone."""
    return CronTrigger.from_crontab(schedule.cron, timezone=ZoneInfo(schedule.time_zone))


@asynccontextmanager
async def run_nights(
    runner: NightRunner, store: Store, shelf: BotShelf, *, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Nights]:
    """The clock and its nights for the length of the block."""
    async with asyncio.TaskGroup() as tasks:
        nights = Nights(runner, store, shelf, tasks=tasks, now=now)
        nights.open()
        try:
            yield nights
        finally:
            nights.close()
