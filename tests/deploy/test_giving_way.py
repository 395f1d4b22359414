"""A whole model whose engine does not start is taken down as by a rollback, and whoever is next best answers."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest

from collect import events, holds, registry
from collect.store import Store
from deploy.giving_way import SERVER, keep_answered
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from nightschool.echo import EchoEngine
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now

from ..fake_seat import FakeSeat

BOT = BotName("support")


@pytest.fixture
def seat() -> FakeSeat:
    return FakeSeat()


@pytest.fixture
def rollout(store: Store, engine: EchoEngine, home: Home, seat: FakeSeat) -> Rollout:
    return Rollout(store, engine, home=home, max_adapters=3, max_whole=2, prove=take_on_trust, seat=seat)


@pytest.fixture(autouse=True)
async def watching(rollout: Rollout, home: Home, seat: FakeSeat) -> AsyncIterator[None]:
    watch = asyncio.create_task(keep_answered(rollout, seat, home=home, pause_s=0.01))
    yield
    watch.cancel()
    await asyncio.wait({watch})


async def put_live(store: Store, home: Home, rollout: Rollout, version: int, *, alone: bool) -> Adapter:
    folder = home.root / f"adapters/{BOT}/{version}"
    folder.mkdir(parents=True)
    for name in ("alone", "config.json") if alone else ("adapter_config.json",):
        (folder / name).write_text("{}")
    where = str(folder.relative_to(home.root))
    adapter = Adapter(BOT, version, f"hash{version}", where, Stage.CANDIDATE, "cycle", "data", utc_now())
    event = Event(new_id(), utc_now(), BOT, "test", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return await rollout.promote(BOT, version=version, may_pause=True, actor="ada", reason="better")


async def stages(store: Store) -> dict[int, str]:
    return {a.version: a.stage.value for a in await store.read(partial(registry.adapters, bot=BOT))}


async def until_answered_by(rollout: Rollout, name: str) -> None:
    async with asyncio.timeout(5):
        while str(rollout.route(BOT).name) != name:
            await asyncio.sleep(0.01)


async def test_the_version_before_answers_and_everybody_is_told(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat, caplog: pytest.LogCaptureFixture
) -> None:
    await put_live(store, home, rollout, 1, alone=False)
    await put_live(store, home, rollout, 2, alone=True)
    seat.gives_up.set()
    await until_answered_by(rollout, "support@1")
    assert (seat.given[-1], await stages(store)) == ("base", {1: "production", 2: "retired"})
    hold = await store.read(partial(holds.find_hold, bot=BOT))
    assert hold is not None
    assert hold.armed_by == SERVER
    for words in ("engine-support@2.log says why", "`nightschool promote --bot support --version 2` tries it again"):
        assert words in hold.reason
        assert words in caplog.text
    told = [event for event in await store.read(partial(events.list_events, bot=BOT)) if event.actor == SERVER]
    assert {(event.action, event.subject) for event in told} == {
        ("production->retired", "support@2"), ("previous->production", "support@1"), ("held", "support"),
    }  # fmt: skip
    await rollout.promote(BOT, version=2, may_pause=True, actor="ada", reason="mended")
    assert (seat.given[-1], await stages(store)) == ("support@2", {1: "previous", 2: "production"})


async def test_the_base_model_answers_where_the_version_before_does_not_start_either(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat
) -> None:
    for version in (1, 2):
        await put_live(store, home, rollout, version, alone=True)
    seat.broken = {"support@1"}
    seat.gives_up.set()
    await until_answered_by(rollout, "support@base")
    assert (seat.sitter, await stages(store)) == (None, {1: "previous", 2: "retired"})


async def test_where_nothing_starts_it_keeps_its_place_and_is_taken_down_once_something_does(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat, caplog: pytest.LogCaptureFixture
) -> None:
    await put_live(store, home, rollout, 1, alone=True)
    seat.fault = "its engine did not start"
    seat.gives_up.set()
    async with asyncio.timeout(5):
        while "keeps the engine" not in caplog.text or seat.gives_up.is_set():
            await asyncio.sleep(0.01)
    assert (str(rollout.route(BOT).name), await stages(store)) == ("support@1", {1: "production"})
    seat.fault = ""
    seat.gives_up.set()
    await until_answered_by(rollout, "support@base")
    assert await stages(store) == {1: "retired"}


async def test_who_was_put_live_meanwhile_is_left_alone(
    store: Store, home: Home, rollout: Rollout, seat: FakeSeat, caplog: pytest.LogCaptureFixture
) -> None:
    await put_live(store, home, rollout, 1, alone=True)
    failed = seat.sitter
    await put_live(store, home, rollout, 2, alone=False)
    seat.sitter = failed  # as it was when it was given up
    seat.gives_up.set()
    async with asyncio.timeout(5):
        while "is not live any more" not in caplog.text:
            await asyncio.sleep(0.01)
    assert (str(rollout.route(BOT).name), await stages(store)) == ("support@2", {1: "previous", 2: "production"})
