"""What comes from outside becomes a candidate, or leaves nothing behind."""

from functools import partial
from pathlib import Path

import pytest

from collect import registry
from collect.store import Store
from deploy.adopt import Newcomer, take_in
from deploy.proof import AdapterFiles, take_on_trust
from deploy.rollout import Rollout
from nightschool.echo import EchoEngine
from nightschool.errors import Busy
from nightschool.files import publish
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


async def test_a_version_that_a_night_took_meanwhile_is_left_to_it(store: Store, home: Home, tmp_path: Path) -> None:
    weights = tmp_path / "theirs"
    weights.mkdir()
    (weights / "adapter_model.safetensors").write_bytes(b"weights")
    files = AdapterFiles(weights, tmp_path / "proof.json", publish(weights, kind="adapter").content_hash)
    newcomer = Newcomer(files, "added", "mine", "")
    engine = Overtaken(store)
    rollout = Rollout(store, engine, home=home, max_adapters=4, prove=take_on_trust)
    with pytest.raises(Busy, match="exists already"):
        await take_in(store, rollout, home, newcomer, bot=BOT, actor="ada", reason="it is good")
    assert await engine.loaded_adapters() == {}
    [nights] = await store.read(partial(registry.adapters, bot=BOT))
    assert (nights.content_hash, nights.stage) == ("a" * 64, Stage.CANDIDATE)
