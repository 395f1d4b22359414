"""Which versions an operator means who moves a bot: one by its number or the newest candidate, and the ways down."""

from functools import partial
from typing import NamedTuple

from collect import holds, registry
from collect.store import Store
from deploy.stages import in_production, ways_down
from nightschool.errors import Busy, NotFound
from nightschool.records import Adapter, AdapterName, BotName, Stage


class WaysDown(NamedTuple):
    current: Adapter
    ways: tuple[Adapter, ...]
    """Best first; behind the last of them stands the base model."""

    @property
    def first(self) -> Adapter | None:
        return self.ways[0] if self.ways else None


async def find_to_promote(store: Store, bot: BotName, version: int | None) -> Adapter:
    """None means the newest candidate. Raises NotFound, Busy where it is live already."""
    if version:
        adapter = await store.read(partial(registry.adapter, bot=bot, version=version))
    else:
        known = await store.read(partial(registry.adapters, bot=bot))
        candidates = [adapter for adapter in known if adapter.stage is Stage.CANDIDATE]
        if not candidates:
            raise NotFound("has no candidate", subject=bot, remedy="Run `nightschool night` or name a --version.")
        adapter = candidates[0]
    if adapter.stage is Stage.PRODUCTION:
        raise Busy("is production already", subject=str(adapter.name), remedy="Nothing to do.")
    return adapter


async def find_ways_down(
    store: Store, bot: BotName, version: int | None, *, only_from: AdapterName | None = None
) -> WaysDown:
    """See `deploy.stages.ways_down`. Raises InvalidInput for a version that never was live, NotFound, Busy where the
    base model answers already or another than `only_from` is live."""
    known = await store.read(partial(registry.adapters, bot=bot))
    current = in_production(known)
    if current is None:
        raise Busy("is on the base model already", subject=bot, remedy="Nothing to roll back.")
    if only_from and current.name != only_from:
        raise Busy("is not live any more", subject=str(only_from), remedy="Nothing to do.")
    if version and (await store.read(partial(registry.adapter, bot=bot, version=version))) == current:
        raise Busy("is production already", subject=str(current.name), remedy="Choose an older version.")
    refused = await store.read(partial(holds.rolled_back_hashes, bot=bot))
    return WaysDown(current, tuple(ways_down(known, current=current, version=version, refused=refused)))
