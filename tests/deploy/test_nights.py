"""Nights run once, are caught up once, resume, and say when there is not enough data. Record and dataset are real."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from collect import cycles
from collect.store import Store
from deploy.cycle import NightLimits, NightRunner
from deploy.plan import Step
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from deploy.schedule import Nights, run_nights
from nightschool.bots import BotShelf
from nightschool.echo import EchoEngine
from nightschool.errors import Busy, Unavailable, UnknownModel
from nightschool.home import Home
from nightschool.records import BotName, Cycle, CycleState, Outcome

BOT = BotName("support")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
FILE = """
name = "support"
title = "Fern"
system_prompt = "Help."
[privacy]
mask = "off"
[schedule]
cron = "0 3 * * *"
time_zone = "Europe/Berlin"
"""


@pytest.fixture
def shelf(tmp_path: Path) -> BotShelf:
    (tmp_path / "bots").mkdir()
    (tmp_path / "bots" / "support.toml").write_text(FILE)
    return BotShelf(tmp_path / "bots")


MakeRunner = Callable[..., NightRunner]


@pytest.fixture
def make_runner(store: Store, engine: EchoEngine, home: Home, shelf: BotShelf) -> MakeRunner:
    def make(*, min_free_gib: float = 0) -> NightRunner:
        rollout = Rollout(store, engine, home=home, max_adapters=3, prove=take_on_trust)
        limits = NightLimits(training_timeout_s=60, min_free_gib=min_free_gib, max_lora_rank=16)
        return NightRunner(
            store, engine, rollout, shelf=shelf, home=home, base_model="none", limits=limits, now=lambda: NOW,
            pauses_s=(0.0,),
        )  # fmt: skip

    return make


@asynccontextmanager
async def open_nights(runner: NightRunner, store: Store, shelf: BotShelf) -> AsyncIterator[Nights]:
    async with run_nights(runner, store, shelf, now=lambda: NOW) as nights:
        yield nights


async def ended(store: Store, cycle_id: str) -> Cycle:
    async with asyncio.timeout(20):
        while True:
            cycle = await store.read(partial(cycles.cycle, cycle_id=cycle_id))
            if cycle.state is not CycleState.RUNNING:
                return cycle
            await asyncio.sleep(0.05)


async def test_an_empty_record_is_not_enough_data_and_the_report_says_so(
    make_runner: MakeRunner, store: Store, shelf: BotShelf, home: Home
) -> None:
    async with open_nights(make_runner(), store, shelf) as nights:
        cycle = await nights.start(BOT, actor="ada")
        with pytest.raises(Busy, match="at school already"):
            await nights.start(BOT, actor="ada")
        done = await ended(store, cycle.cycle_id)
    assert (done.state, done.outcome, done.candidate) == (CycleState.DONE, Outcome.INSUFFICIENT_DATA, None)
    assert "recipe.min_examples" in done.reasons[0]
    assert "Production stays" in (home.cycle(BOT, cycle.cycle_id) / "morning.md").read_text()


async def test_a_night_reads_the_base_model_beside_those_who_chat(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    monkeypatch.setattr("nightschool.identity._cached", lambda _: readers.append(threading.current_thread()))
    runner = make_runner()
    await runner.run(await runner.claim(BOT, trigger="operator", actor="ada"))
    assert len(readers) == 3  # as it is claimed, as it begins to run, and for what it goes on with
    assert threading.current_thread() not in readers


async def test_a_plan_leaves_nothing_behind(make_runner: MakeRunner, store: Store, shelf: BotShelf, home: Home) -> None:
    async with open_nights(make_runner(), store, shelf) as nights:
        plan = await nights.plan(BOT)
        with pytest.raises(UnknownModel):
            await nights.plan(BotName("nobody"))
    assert plan.shortfall is not None
    assert await store.read(cycles.list_cycles) == []
    assert list(home.temp.glob("plan-*")) == []
    assert not home.datasets(BOT).exists()


async def test_too_little_disk_is_said_before_anything_begins(
    make_runner: MakeRunner, store: Store, shelf: BotShelf
) -> None:
    async with open_nights(make_runner(min_free_gib=1e9), store, shelf) as nights:
        with pytest.raises(Unavailable, match="GiB of disk are free"):
            await nights.start(BOT, actor="ada")
    assert await store.read(cycles.list_cycles) == []


async def test_a_night_that_was_cut_off_is_resumed(make_runner: MakeRunner, store: Store, shelf: BotShelf) -> None:
    left = Cycle("c1", BOT, "schedule", date(2026, 3, 10), CycleState.RUNNING, Step.TRAIN, 0.4, NOW)
    await store.write(partial(cycles.start_cycle, cycle=left))
    async with open_nights(make_runner(), store, shelf) as nights:
        await nights.resume()
        done = await ended(store, "c1")
    assert (done.state, done.outcome) == (CycleState.DONE, Outcome.INSUFFICIENT_DATA)
