"""A night that fails ends by itself, never the server, and leaves a page that says so."""

from functools import partial

import pytest

from collect import cycles
from collect.store import Store
from nightschool.errors import RecordError
from nightschool.home import Home
from nightschool.records import BotName, CycleState

from .test_nights import BOT, MakeRunner, make_runner, shelf

__all__ = ["make_runner", "shelf"]


class FullDisk(RecordError):
    pass


async def test_a_failed_night_leaves_a_morning_page(make_runner: MakeRunner, home: Home) -> None:
    runner = make_runner()
    cycle = await runner.claim(BOT, trigger="operator")
    (home.root / "cycles" / BOT / cycle.cycle_id).mkdir(parents=True)
    (home.root / "cycles" / BOT / cycle.cycle_id / "snapshot").write_text("in the way")
    ended = await runner.run(cycle, actor="ada")
    assert ended.state is CycleState.FAILED
    page = (home.cycle(BotName(BOT), cycle.cycle_id) / "morning.md").read_text()
    assert "The night failed at step" in page
    assert "It moved nothing" in page


async def test_a_record_that_fails_at_the_end_ends_the_night_and_nothing_else(
    make_runner: MakeRunner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = make_runner()
    cycle = await runner.claim(BOT, trigger="operator")

    async def full(_change: object) -> None:
        raise FullDisk("could not do that", subject="record", remedy="Free disk space.")

    monkeypatch.setattr(store, "write", full)
    ended = await runner.run(cycle, actor="ada")
    monkeypatch.undo()
    assert ended.reasons
    assert (await store.read(partial(cycles.cycle, cycle_id=cycle.cycle_id))).state is CycleState.RUNNING
