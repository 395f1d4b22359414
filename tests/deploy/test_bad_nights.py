"""A night that fails ends by itself, never the server, and leaves a page that says so."""

from collections.abc import Callable
from functools import partial

import pytest

from collect import cycles
from collect.store import Cursor, Store
from nightschool.errors import RecordError
from nightschool.home import Home
from nightschool.records import BotName, CycleState

from .test_nights import BOT, MakeRunner, make_runner, shelf

__all__ = ["make_runner", "shelf"]


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
