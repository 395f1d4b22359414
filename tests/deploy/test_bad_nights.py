"""A night that fails or cannot begin ends by itself, never the server, and leaves a row and a page that say so."""

import asyncio
import errno
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest

from collect import cycles, events
from collect.store import Cursor, Store
from deploy.morning import read_pages
from deploy.plan import NightFolder, Step
from deploy.schedule import Nights
from nightschool.bots import BotShelf
from nightschool.errors import RecordError, Unavailable
from nightschool.home import Home
from nightschool.records import BotName, CycleState, Outcome

from .test_nights import BOT, MakeRunner, make_runner, shelf
from .test_schedule import Clock

__all__ = ["make_runner", "shelf"]

DUE = date(2026, 3, 10)


class FullDisk(RecordError):
    pass


async def test_a_failed_night_leaves_a_morning_page(make_runner: MakeRunner, home: Home) -> None:
    runner = make_runner()
    cycle = await runner.claim(BOT, trigger="operator", actor="ada")
    (home.root / "cycles" / BOT / cycle.cycle_id / "snapshot").write_text("in the way")
    ended = await runner.run(cycle)
    assert ended.state is CycleState.FAILED
    page = (home.cycle(BotName(BOT), cycle.cycle_id) / "morning.md").read_text()
    assert "The night failed at step" in page
    assert "It moved nothing" in page


async def test_a_disk_that_fills_in_a_night_is_told_as_that(
    make_runner: MakeRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "snapshot/messages.parquet")

    monkeypatch.setattr("deploy.gathering.write_snapshot", full)
    runner = make_runner()
    ended = await runner.run(await runner.claim(BOT, trigger="operator", actor="ada"))
    assert ended.state is CycleState.FAILED
    assert ended.reasons[0].startswith("a file could not be read or written ([Errno 28] No space left on device")
    assert "internal error" not in ended.reasons[0]


async def test_a_record_that_fails_ends_the_night_and_its_row_is_closed_once_it_takes_it(
    make_runner: MakeRunner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, write, refused = make_runner(), store.write, 0
    cycle = await runner.claim(BOT, trigger="operator", actor="ada")

    async def full(change: Callable[[Cursor], None]) -> None:
        nonlocal refused
        refused += 1
        if refused < 5:
            raise FullDisk("could not do that", subject="record", remedy="Free disk space.")
        await write(change)

    monkeypatch.setattr(store, "write", full)
    await runner.run(cycle)
    assert refused >= 5
    kept = await store.read(partial(cycles.cycle, cycle_id=cycle.cycle_id))
    assert (kept.state, kept.reasons) == (CycleState.FAILED, ("record: could not do that. Free disk space.",))


async def test_a_due_night_that_cannot_begin_leaves_a_row_and_a_page_once_a_date(
    make_runner: MakeRunner, store: Store, home: Home
) -> None:
    for runner in (make_runner(min_free_gib=1e9), make_runner(min_free_gib=1e9)):
        with pytest.raises(Unavailable, match="GiB of disk are free"):
            await runner.claim(BOT, trigger="schedule", actor="schedule", local_date=DUE)
    [left] = await store.read(cycles.list_cycles)
    assert (left.state, left.step, left.trigger) == (CycleState.FAILED, Step.BEGIN, "schedule")
    page = (home.cycle(BOT, left.cycle_id) / "morning.md").read_text()
    assert "The night could not begin" in page
    assert "GiB of disk are free" in page
    [noted] = await store.read(events.list_events)
    assert (noted.actor, noted.action, noted.subject) == ("schedule", "could not begin a night", left.cycle_id)


async def test_where_not_even_the_page_can_be_written_it_is_worded_from_the_record(
    make_runner: MakeRunner, store: Store, home: Home
) -> None:
    (home.root / "cycles").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        await make_runner().claim(BOT, trigger="catch-up", actor="catch-up", local_date=DUE)
    [left] = await store.read(cycles.list_cycles)
    page = read_pages(NightFolder(home.cycle(BOT, left.cycle_id)), left)
    assert "The night could not begin" in page
    assert "cannot be written" in page


async def test_a_record_that_fails_too_changes_nothing_of_what_is_told(
    make_runner: MakeRunner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(_: object) -> None:
        raise FullDisk("could not do that", subject="record", remedy="Free disk space.")

    monkeypatch.setattr(store, "write", full)
    with pytest.raises(Unavailable, match="GiB of disk are free"):
        await make_runner(min_free_gib=1e9).claim(BOT, trigger="schedule", actor="schedule", local_date=DUE)


async def test_a_night_that_was_due_without_room_begins_once_there_is(
    make_runner: MakeRunner, store: Store, shelf: BotShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = 0
    monkeypatch.setattr("deploy.cycle.free_bytes", lambda _: free)
    clock = Clock()
    clock.at = datetime(2026, 3, 10, 1, tzinfo=UTC)
    async with asyncio.TaskGroup() as tasks:
        nights = Nights(make_runner(min_free_gib=1), store, shelf, tasks=tasks, now=clock)
        await nights.tick()
        clock.at += timedelta(hours=2)
        for look in (nights.tick, nights.catch_up, nights.catch_up):
            await look()
        assert [cycle.step for cycle in await store.read(cycles.list_cycles)] == [Step.BEGIN]
        free = 2**40
        await nights.catch_up()
    had, unbegun = await store.read(cycles.list_cycles)
    assert (had.local_date, had.outcome) == (DUE, Outcome.INSUFFICIENT_DATA)
    assert (unbegun.local_date, unbegun.step) == (None, Step.BEGIN)
