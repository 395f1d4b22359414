"""Who answers is proved by files and by the engine's own words, at any time after the load."""

from functools import partial
from pathlib import Path

import pytest

from collect import registry
from collect.store import Store
from deploy.in_use import prove_in_use
from deploy.proof import measure_load, prove_load
from deploy.rollout import Rollout
from nightschool.echo import EchoEngine
from nightschool.errors import EngineError, InvalidInput
from nightschool.files import publish, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now

from .test_proof import ADAPTER, BASE, ServingEngine, write_proof

BOT = BotName("support")


async def put_live(store: Store, home: Home, engine: EchoEngine) -> tuple[Rollout, Path, str]:
    """One adapter with a proof, promoted."""
    folder = home.adapter(BOT, "draft")
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    write_proof(folder, base_logprobs=BASE * 20, adapter_logprobs=ADAPTER * 20)
    content_hash = publish(folder, kind="adapter").content_hash
    adapter = Adapter(
        BOT, 1, content_hash, str(folder.relative_to(home.root)), Stage.CANDIDATE, "cycle", "data", utc_now()
    )
    event = Event(new_id(), utc_now(), BOT, "gate", "registered", "support@1", "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=prove_load)
    await rollout.promote(BOT, actor="ada", reason="better")
    return rollout, folder, content_hash


class Turncoat(ServingEngine):
    """Serves whatever it is told to from now on."""

    def serve(self, values: tuple[float, ...]) -> None:
        self._served = values


async def test_the_adapter_in_production_is_proved_by_what_the_engine_says(store: Store, home: Home) -> None:
    engine = Turncoat(ADAPTER * 20)
    rollout, folder, content_hash = await put_live(store, home, engine)
    prove = partial(prove_in_use, engine, store, rollout, home=home, bot=BOT)
    found = await prove(measure=measure_load)
    assert (str(found.name), found.content_hash) == ("support@1", content_hash)
    assert found.distances is not None
    assert (found.distances.to_adapter, found.distances.to_base > 0.5) == (0.0, True)
    # It was right when it was loaded, and is not any more.
    engine.serve(BASE * 20)
    with pytest.raises(EngineError, match="not those of this adapter"):
        await prove(measure=measure_load)
    assert (await prove(measure=None)).distances is None
    (folder / "adapter_model.safetensors").write_bytes(b"weightz")
    with pytest.raises(InvalidInput, match="differs from its manifest"):
        await prove(measure=None)


async def test_an_adapter_is_proved_by_the_servers_own_file_and_an_older_one_by_that_among_its_weights(
    store: Store, home: Home
) -> None:
    engine = Turncoat(ADAPTER * 20)
    rollout, folder, content_hash = await put_live(store, home, engine)
    older = (folder / "proof.json").read_text()
    write_atomic(home.proof(BOT, content_hash), older.replace(str(list(ADAPTER))[1:-1], str(list(BASE))[1:-1]))
    with pytest.raises(EngineError, match="cannot be told from the base model"):
        await prove_in_use(engine, store, rollout, home=home, bot=BOT, measure=measure_load)
    home.proof(BOT, content_hash).unlink()
    assert (await prove_in_use(engine, store, rollout, home=home, bot=BOT, measure=measure_load)).distances


async def test_the_base_model_has_nothing_to_prove(store: Store, home: Home, engine: EchoEngine) -> None:
    rollout = Rollout(store, engine, home=home, max_adapters=3, prove=prove_load)
    found = await prove_in_use(engine, store, rollout, home=home, bot=BOT, measure=measure_load)
    assert (str(found.name), found.content_hash, found.distances) == ("support@base", "", None)
