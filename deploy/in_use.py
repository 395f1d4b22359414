"""Ask a running engine anew whether what answers a bot is the adapter that the record has in production.

A proof stands when an adapter is loaded; this one is for whoever wants to see it now. Changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from collect import registry
from collect.store import Store
from deploy.proof import AdapterFiles, Distances, check_files, files_of
from deploy.rollout import Rollout
from nightschool.engine import Engine
from nightschool.home import Home
from nightschool.records import AdapterName, BotName

Measure = Callable[[Engine, str, AdapterFiles], Awaitable[Distances]]
"""`deploy.proof.measure_load`."""


class InUse(NamedTuple):
    name: AdapterName
    content_hash: str
    """Empty for the base model."""
    distances: Distances | None
    """None where there is nothing to tell apart."""


async def prove_in_use(
    engine: Engine, store: Store, rollout: Rollout, *, home: Home, bot: BotName, measure: Measure | None
) -> InUse:
    """Who answers the bot now, proved by its files and, where one can `measure` it, by the engine's own words.

    Raises Unavailable where the record's production is not served, InvalidInput where its files were changed, and
    EngineError where the engine answers as somebody else.
    """
    await rollout.production(bot)
    with rollout.lease(bot) as route:
        if route.name.version is None:
            return InUse(route.name, "", None)
        adapter = await store.read(partial(registry.adapter, bot=bot, version=route.name.version))
        files = files_of(adapter, home=home)
        await asyncio.to_thread(check_files, files)
        distances = await measure(engine, route.model, files) if measure else None
        return InUse(route.name, adapter.content_hash, distances)
