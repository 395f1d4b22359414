"""How many places an engine needs, and what it means where it has fewer; whole models have places of their own."""

from functools import partial
from pathlib import Path

import pytest

from collect import registry
from collect.store import Store
from deploy.proof import take_on_trust
from deploy.slots import IDLE_S, Slots, slots_shortage
from nightschool.echo import EchoEngine
from nightschool.errors import Busy, TooLittleMemory
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now
from nightschool.weights import is_whole

BOT = BotName("support")


@pytest.mark.parametrize(
    ("bots", "max_adapters", "expected"),
    [(1, 4, None), (2, 6, None), (2, 4, "rolling back then takes as long as a load"), (5, 4, "nights wait in vain")],
)
def test_too_few_places_are_told_with_what_they_mean(bots: int, max_adapters: int, expected: str | None) -> None:
    said = slots_shortage(bots, max_adapters=max_adapters)
    assert said is None if expected is None else expected in str(said)


class SmallMachine(EchoEngine):
    """Has memory for `room` whole models."""

    room = 9

    async def load_adapter(self, name: str, folder: Path) -> None:
        held = [other for other in (await self.loaded_adapters()).values() if is_whole(other)]
        if is_whole(folder) and len(held) >= self.room:
            raise TooLittleMemory("needs 9 GiB", subject="whole model", remedy="Free some.")
        await super().load_adapter(name, folder)


@pytest.fixture
def engine() -> SmallMachine:
    return SmallMachine()


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def slots(store: Store, engine: SmallMachine, home: Home, clock: list[float]) -> Slots:
    return Slots(
        store, engine, home=home, max_adapters=1, max_whole=2, prove=take_on_trust, clock=lambda: clock[0]
    )  # fmt: skip


async def register(store: Store, home: Home, version: int, stage: Stage, *, whole: bool = True) -> Adapter:
    folder = home.root / f"adapters/{version}"
    folder.mkdir(parents=True)
    (folder / ("config.json" if whole else "adapter_config.json")).write_text("{}")
    adapter = Adapter(BOT, version, f"hash{version}", f"adapters/{version}", stage, "cycle", "data", utc_now())
    event = Event(new_id(), utc_now(), BOT, "test", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return adapter


async def test_no_whole_model_takes_an_adapters_place(
    store: Store, home: Home, slots: Slots, engine: SmallMachine
) -> None:
    for version, whole in ((1, False), (2, True), (3, True)):
        await slots.load(await register(store, home, version, Stage.PRODUCTION, whole=whole), keep=())
    assert set(await engine.loaded_adapters()) == {"support@1", "support@2", "support@3"}
    with pytest.raises(Busy, match=r"all 2 whole model slots are in use.*raise engine.whole_models"):
        await slots.load(await register(store, home, 4, Stage.CANDIDATE), keep=())
    with pytest.raises(Busy, match=r"all 1 adapter slots are in use.*raise engine.max_adapters"):
        await slots.load(await register(store, home, 5, Stage.CANDIDATE, whole=False), keep=())


async def test_where_memory_is_short_whole_models_that_answer_nobody_make_room(
    store: Store, home: Home, slots: Slots, engine: SmallMachine
) -> None:
    engine.room = 1
    await slots.load(await register(store, home, 1, Stage.PREVIOUS), keep=())
    await slots.load(await register(store, home, 2, Stage.CANDIDATE), keep=())
    assert set(await engine.loaded_adapters()) == {"support@2"}
    third = await register(store, home, 3, Stage.CANDIDATE)
    with slots.lease("support@2"), pytest.raises(TooLittleMemory, match="needs 9 GiB"):
        await slots.load(third, keep=())
    assert set(await engine.loaded_adapters()) == {"support@2"}


async def test_a_retired_whole_model_gives_its_memory_back_once_nobody_asks_it(
    store: Store, home: Home, slots: Slots, engine: SmallMachine, clock: list[float]
) -> None:
    retired = await register(store, home, 1, Stage.RETIRED)
    await slots.load(retired, keep=())
    await slots.load(await register(store, home, 2, Stage.PREVIOUS), keep=())
    clock[0] = IDLE_S
    with slots.lease("support@1"):
        clock[0] = IDLE_S * 2
        await slots.unload_retired(keep=())
    await slots.unload_retired(keep=())
    assert set(await engine.loaded_adapters()) == {"support@1", "support@2"}
    clock[0] += IDLE_S + 1
    await slots.unload_retired(keep={"support@1"})
    assert len(await engine.loaded_adapters()) == 2
    await slots.unload_retired(keep=())
    assert set(await engine.loaded_adapters()) == {"support@2"}


async def test_without_places_no_whole_model_is_loaded(store: Store, home: Home, engine: SmallMachine) -> None:
    slots = Slots(store, engine, home=home, max_adapters=4, max_whole=0, prove=take_on_trust)
    with pytest.raises(Busy, match=r"holds no whole models. Set engine.whole_models"):
        await slots.load(await register(store, home, 1, Stage.CANDIDATE), keep=())
