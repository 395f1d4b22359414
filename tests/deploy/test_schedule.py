"""The clock: each slot once, dated by itself, and nothing that one bot's file says stops the others'."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collect import cycles
from collect.store import Store
from deploy.board import Board
from deploy.cycle import NightPlan
from deploy.queue import Queue
from deploy.schedule import Nights, Trigger, run_nights
from nightschool.bots import BotShelf
from nightschool.errors import InvalidInput, RecordError
from nightschool.records import BotName, Cycle, CycleState, new_id

SUPPORT, AFTERCARE = BotName("support"), BotName("aftercare")
MORNING = datetime(2026, 3, 10, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class School:
    """Claims in the real record; its nights are over at once, or go on where `lasts` says so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue, self.exams, self.board = Queue(), Queue(), Board()
        self.lasts = False
        self.fails: type[Exception] | None = None
        self.ran: list[str] = []
        self.built = asyncio.Event()

    async def claim(self, bot: BotName, *, trigger: Trigger, actor: str, force: bool, local_date: date | None) -> Cycle:
        if self.fails is RecordError and bot == AFTERCARE:
            raise RecordError("is full", subject="disk", remedy="Free some.")
        cycle = Cycle(new_id(), bot, trigger, local_date, CycleState.RUNNING, "train", 0, MORNING)
        await self._store.write(partial(cycles.start_cycle, cycle=cycle))
        return cycle

    async def run(self, cycle: Cycle) -> Cycle:
        self.ran.append(cycle.cycle_id)
        if self.fails:
            raise self.fails("broken")
        while self.lasts:
            await asyncio.sleep(0.01)
        done = replace(cycle, state=CycleState.DONE)
        await self._store.write(partial(cycles.update_cycle, cycle=done))
        return done

    async def plan(self, bot: BotName) -> NightPlan:
        raise NotImplementedError

    async def build(self, bot: BotName) -> NightPlan:
        self.ran.append("build")
        await self.built.wait()
        raise InvalidInput("holds too little", subject=bot, remedy="Wait.")

    async def interrupted(self) -> list[Cycle]:
        return await self._store.read(cycles.running_cycles)


class Clock:
    def __init__(self) -> None:
        self.at = MORNING

    def __call__(self) -> datetime:
        return self.at


class Look:
    """Every look at the shelf is a later one."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 2
        return self.now_s


@pytest.fixture
def bots(tmp_path: Path) -> Path:
    folder = tmp_path / "bots"
    folder.mkdir()
    order(folder, SUPPORT, "cron = '0 3 * * *'")
    return folder


def order(folder: Path, bot: BotName, schedule: str) -> None:
    file = folder / f"{bot}.toml"
    file.write_text(
        f"name = '{bot}'\ntitle = 'Fern'\nsystem_prompt = 'Help.'\n[privacy]\nmask = 'off'\n[schedule]\n{schedule}\n"
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def school(store: Store) -> School:
    return School(store)


@pytest.fixture
async def nights(school: School, store: Store, bots: Path, clock: Clock) -> AsyncIterator[Nights]:
    """Its clock goes only when a test says `tick`."""
    async with asyncio.TaskGroup() as tasks:
        nights = Nights(school, store, BotShelf(bots, clock=Look()), tasks=tasks, now=clock)
        await nights.tick()
        yield nights


async def had(store: Store) -> list[tuple[str, str, date | None]]:
    """Every night that was begun, oldest first, once all have ended."""
    async with asyncio.timeout(20):
        while await store.read(cycles.running_cycles):
            await asyncio.sleep(0.01)
    return [(c.bot, c.trigger, c.local_date) for c in reversed(await store.read(cycles.list_cycles))]


async def test_an_erasure_and_a_dataset_that_is_built_by_hand_wait_for_each_other(
    nights: Nights, school: School
) -> None:
    done: list[str] = []

    async def erase() -> None:
        async with nights.at_rest():
            done.append("erased")

    async def build() -> None:
        with pytest.raises(InvalidInput):
            await nights.build(SUPPORT)
        done.append("built")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(build())
        while school.ran != ["build"]:
            await asyncio.sleep(0)
        tasks.create_task(erase())
        tasks.create_task(build())
        for _ in range(100):
            await asyncio.sleep(0)
        assert done == []
        school.built.set()
    assert done == ["built", "erased", "built"]


async def test_an_erasure_lets_an_exam_end_and_the_next_one_wait(nights: Nights, school: School) -> None:
    async with school.exams.turn(SUPPORT), nights.at_rest() as examined:
        assert tuple(examined) == (SUPPORT,)
    entered: list[str] = []

    async def examine() -> None:
        async with school.exams.turn(AFTERCARE):
            entered.append("exam")

    async with asyncio.TaskGroup() as tasks, nights.at_rest() as examined:
        assert tuple(examined) == ()
        tasks.create_task(examine())
        for _ in range(100):
            await asyncio.sleep(0)
        assert entered == []
    assert entered == ["exam"]


async def test_a_night_begins_when_it_is_due_and_once(nights: Nights, store: Store, clock: Clock) -> None:
    for _ in range(2):
        clock.at += HOUR
        await nights.tick()
        await nights.tick()
    await nights.catch_up()
    assert await had(store) == [("support", "schedule", date(2026, 3, 10))]


async def test_a_slot_is_dated_by_its_own_time(nights: Nights, store: Store, clock: Clock, bots: Path) -> None:
    order(bots, SUPPORT, "cron = '30 23 * * *'")
    await nights.tick()
    clock.at = datetime(2026, 3, 11, 0, 10, tzinfo=UTC)  # woken late
    await nights.tick()
    clock.at = datetime(2026, 3, 11, 23, 30, tzinfo=UTC)
    await nights.tick()
    assert [night[2] for night in await had(store)] == [date(2026, 3, 10), date(2026, 3, 11)]


async def test_missed_nights_are_caught_up_once_with_the_newest(nights: Nights, store: Store, clock: Clock) -> None:
    clock.at += 4 * DAY
    await nights.catch_up()
    await nights.catch_up()
    assert await had(store) == [("support", "catch-up", date(2026, 3, 13))]


async def test_a_bot_that_is_new_here_has_missed_nothing(nights: Nights, store: Store, clock: Clock) -> None:
    clock.at += HOUR / 2
    await nights.catch_up()
    assert await had(store) == []


@pytest.mark.parametrize("before", ["enabled = false", "cron = '0 12 * * *'"])
async def test_a_schedule_that_was_switched_on_or_changed_has_no_past(
    nights: Nights, store: Store, clock: Clock, bots: Path, before: str
) -> None:
    order(bots, SUPPORT, before)
    await nights.tick()
    clock.at += 8 * HOUR
    order(bots, SUPPORT, "cron = '0 3 * * *'")
    await nights.tick()
    await nights.catch_up()
    assert await had(store) == []
    clock.at += DAY
    await nights.catch_up()
    assert await had(store) == [("support", "catch-up", date(2026, 3, 11))]


async def test_a_night_that_a_wrong_clock_dated_2031_silences_nothing(
    nights: Nights, store: Store, clock: Clock
) -> None:
    clock.at = datetime(2031, 3, 10, 4, tzinfo=UTC)
    await nights.catch_up()
    await had(store)
    clock.at = MORNING + 2 * DAY
    await nights.tick()
    await nights.catch_up()
    assert [night[2] for night in await had(store)] == [date(2031, 3, 10), date(2026, 3, 11)]


@pytest.mark.parametrize(
    "schedule",
    [
        "cron = '0 3 * * *'\ntime_zone = 'Europe/Helsinki'",
        "cron = '30 2 * * *'\ntime_zone = 'Europe/Berlin'",
    ],
)
async def test_after_the_clock_change_there_is_one_night_a_date(
    nights: Nights, store: Store, clock: Clock, bots: Path, schedule: str
) -> None:
    """APScheduler's next slot was never behind the one before: the server stood still."""
    clock.at = datetime(2026, 10, 23, 22, tzinfo=UTC)
    order(bots, SUPPORT, schedule)
    await nights.tick()
    for _ in range(2 * 48 + 20):
        clock.at += HOUR / 2
        await nights.tick()
        await nights.catch_up()
        await had(store)
    assert [night[2] for night in await had(store)] == [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)]


async def test_a_file_that_became_faulty_leaves_every_clock_as_it_was(
    nights: Nights, store: Store, clock: Clock, bots: Path
) -> None:
    order(bots, AFTERCARE, "cron = '0 3 * * *'")
    await nights.tick()
    order(bots, AFTERCARE, "cron = '61 3 * * *'")
    clock.at += HOUR
    await nights.tick()
    assert sorted(night[0] for night in await had(store)) == ["aftercare", "support"]


async def test_one_bots_failure_to_begin_does_not_hold_up_the_next(
    nights: Nights, store: Store, school: School, clock: Clock, bots: Path
) -> None:
    order(bots, AFTERCARE, "cron = '0 3 * * *'")
    await nights.tick()
    clock.at += HOUR
    school.fails = RecordError
    await nights.tick()
    assert [c.bot for c in await store.read(cycles.list_cycles)] == [SUPPORT]
    school.fails = None
    clock.at += HOUR
    await nights.catch_up()
    assert [c.bot for c in await store.read(cycles.list_cycles)] == [AFTERCARE, SUPPORT]


async def test_a_night_that_breaks_in_its_last_write_does_not_end_the_server(
    nights: Nights, store: Store, school: School
) -> None:
    school.fails = RuntimeError
    await nights.start(SUPPORT, actor="ada")
    while not school.ran:
        await asyncio.sleep(0.01)
    school.fails = None
    await nights.resume()
    await had(store)
    assert len(school.ran) == 2


async def test_what_was_just_begun_is_not_taken_for_a_dead_servers(
    nights: Nights, store: Store, school: School
) -> None:
    school.lasts = True
    await asyncio.gather(nights.start(SUPPORT, actor="ada"), *(nights.resume() for _ in range(20)))
    await asyncio.sleep(0)
    assert len(school.ran) == 1
    school.lasts = False
    await had(store)


async def test_the_next_night_is_known_and_follows_the_bots_file(nights: Nights, bots: Path) -> None:
    order(bots, SUPPORT, "cron = '0 3 * * *'\ntime_zone = 'Europe/Berlin'")
    at = nights.next_runs()[SUPPORT]
    assert at is not None
    assert (at.day, at.hour, at.minute, str(at.tzinfo)) == (11, 3, 0, "Europe/Berlin")
    order(bots, SUPPORT, "enabled = false")
    assert nights.next_runs() == {SUPPORT: None}


async def test_old_nights_are_tidied_away_at_start_and_after_each_night(
    school: School, store: Store, bots: Path, clock: Clock
) -> None:
    tidied: list[int] = []

    async def tidy() -> None:
        tidied.append(len(await store.read(cycles.running_cycles)))
        raise OSError("disk")  # nobody waits for it

    async with run_nights(school, store, BotShelf(bots), tidy=tidy, now=clock) as nights:
        await nights.start(SUPPORT, actor="ada")
        while len(tidied) < 2:
            await asyncio.sleep(0.01)
    assert tidied[-1] == 0
