"""What comes from outside becomes a candidate, or leaves nothing behind."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from collect import registry
from collect.store import Store
from deploy.adopt import Newcomer, take_in
from deploy.proof import AdapterFiles, take_on_trust
from deploy.retention import Keep, Retention
from deploy.rollout import Rollout
from nightschool.echo import EchoEngine
from nightschool.errors import Busy, EngineError
from nightschool.files import copy_whole, publish
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now

BOT = BotName("support")


async def register(store: Store, version: int) -> None:
    """As a night does."""
    adapter = Adapter(BOT, version, "a" * 64, "adapters/support/aaaa", Stage.CANDIDATE, "c1", "d1", utc_now())
    event = Event(new_id(), utc_now(), BOT, "clock", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))


class Overtaken(EchoEngine):
    """While it loads an adapter, a night takes the version."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    async def load_adapter(self, name: str, folder: Path) -> None:
        await super().load_adapter(name, folder)
        await register(self._store, 1)


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    weights, proof = tmp_path / "theirs", tmp_path / "proof.json"
    weights.mkdir()
    (weights / "adapter_model.safetensors").write_bytes(b"weights")
    proof.write_text("{}")
    return Newcomer(AdapterFiles(weights, proof, publish(weights, kind="adapter").content_hash), "added", "mine", "")


def left(home: Home) -> set[str]:
    return {path.name for parent in (home.adapters(BOT), home.proofs(BOT)) for path in parent.glob("*")}


async def test_a_version_that_a_night_took_meanwhile_is_left_to_it(
    store: Store, home: Home, newcomer: Newcomer
) -> None:
    engine = Overtaken(store)
    rollout = Rollout(store, engine, home=home, max_adapters=4, prove=take_on_trust)
    with pytest.raises(Busy, match="exists already"):
        await take_in(store, rollout, home, newcomer, bot=BOT, actor="ada", reason="it is good")
    assert (await engine.loaded_adapters(), left(home)) == ({}, set())
    [nights] = await store.read(partial(registry.adapters, bot=BOT))
    assert (nights.content_hash, nights.stage) == ("a" * 64, Stage.CANDIDATE)


class Refusing(EchoEngine):
    async def load_adapter(self, name: str, folder: Path) -> None:
        raise EngineError("takes no adapter", subject=name, remedy="Wait.")


async def test_what_cannot_be_loaded_leaves_nothing_but_what_lay_there_before(
    store: Store, home: Home, newcomer: Newcomer
) -> None:
    rollout = Rollout(store, Refusing(), home=home, max_adapters=4, prove=take_on_trust)
    taking = partial(take_in, store, rollout, home, newcomer, bot=BOT, actor="ada", reason="it is good")
    with pytest.raises(EngineError):
        await taking()
    assert left(home) == set()
    copy_whole(newcomer.files.folder, home.adapter(BOT, newcomer.files.content_hash))
    with pytest.raises(EngineError):
        await taking()
    assert home.adapter(BOT, newcomer.files.content_hash).exists()


class Waiting(EchoEngine):
    """Never ends loading."""

    def __init__(self) -> None:
        super().__init__()
        self.begins = asyncio.Event()

    async def load_adapter(self, name: str, folder: Path) -> None:
        self.begins.set()
        await asyncio.Event().wait()


async def test_what_was_cut_off_is_taken_in_later_or_goes_with_the_rest_of_a_kill(
    store: Store, home: Home, engine: EchoEngine, newcomer: Newcomer
) -> None:
    async def cut_off() -> None:
        waiting = Waiting()
        rollout = Rollout(store, waiting, home=home, max_adapters=4, prove=take_on_trust)
        taking = asyncio.create_task(take_in(store, rollout, home, newcomer, bot=BOT, actor="ada", reason="it is good"))
        await waiting.begins.wait()
        taking.cancel()
        await asyncio.wait({taking})

    async def tidy(*, hours: int) -> None:
        keep, later = Keep(nights=1, days=1), utc_now() + timedelta(hours=hours)
        await Retention(store, engine, home=home, keep=keep, now=lambda: later).tidy()

    await cut_off()
    whole = left(home)
    await tidy(hours=0)
    assert left(home) == whole
    await tidy(hours=2)
    assert left(home) == set()
    await cut_off()
    rollout = Rollout(store, engine, home=home, max_adapters=4, prove=take_on_trust)
    adapter = await take_in(store, rollout, home, newcomer, bot=BOT, actor="ada", reason="it is good")
    await tidy(hours=2)
    assert left(home) == {home.adapter(BOT, adapter.content_hash).name, home.proof(BOT, adapter.content_hash).name}
