"""Decide which adapter answers whom, and change that without dropping a request.

Holds the routes in memory, one for each bot; a flip replaces one entry, so every request sees the old version or the
new one and keeps it to its end. Desired state is the record's stages; `restore` brings an engine that forgot everything
back to them. Does not know how a verdict was reached: it asks only that there is one, or an operator's reason.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import NamedTuple

from collect import registry
from collect.store import Store
from deploy.proof import Prover, load_proved
from deploy.stages import move
from nightschool.engine import Engine
from nightschool.errors import Busy, InvalidInput, NightschoolError, NotFound
from nightschool.home import Home
from nightschool.records import BASE, Adapter, AdapterName, BotName, Moved, Stage, utc_now

log = logging.getLogger(__name__)

LIVE = frozenset({Stage.PRODUCTION, Stage.PREVIOUS, Stage.CANARY, Stage.SHADOW})


class Route(NamedTuple):
    """Who answers: the name for the record, the engine's model, and the adapter's content hash (empty: base)."""

    name: AdapterName
    model: str
    adapter_hash: str


class Rollout:
    """The routes of every bot. One per server; made by `serve.app`."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        home: Home,
        max_adapters: int,
        prove: Prover,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._engine = engine
        self._home = home
        self._max_adapters = max_adapters
        self._prove = prove
        self._now = now
        self._routes: dict[BotName, Route] = {}
        # Content hash of what each loaded name was proved to be, by this process and since the engine's last start.
        self._proved: dict[str, str] = {}
        self._in_flight: Counter[str] = Counter()
        # Guards the moves of one bot: two operators, or an operator and the night.
        self._moving: defaultdict[BotName, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Guards the engine's set of adapters while room is made and an adapter loaded.
        self._loading = asyncio.Lock()

    def route(self, bot: BotName) -> Route:
        """Who answers the bot's next request."""
        return self._routes.get(bot) or _base_route(bot)

    @contextmanager
    def lease(self, bot: BotName, *, route: Route | None = None) -> Iterator[Route]:
        """The route of one request; its adapter stays loaded until the block ends."""
        taken = route or self.route(bot)
        self._in_flight[taken.model] += 1
        try:
            yield taken
        finally:
            self._in_flight[taken.model] -= 1

    async def route_to(self, bot: BotName, version: int | None) -> Route:
        """A route to one version, loaded where it was not. Raises NotFound."""
        if version is None:
            return _base_route(bot)
        adapter = await self._find(bot, version)
        if adapter.stage is Stage.TAINTED:
            raise InvalidInput("is tainted", subject=str(adapter.name), remedy="Choose another version.")
        await self.load(adapter)
        return _route_of(adapter)

    async def restore(self) -> None:
        """Load what the record says is live and point the routes at it; after each start of the engine.

        An adapter that cannot be loaded leaves its bot on the base model and says so in the log.
        """
        self._proved.clear()
        adapters = await self._store.read(registry.adapters)
        for adapter in sorted(adapters, key=lambda a: a.stage is not Stage.PRODUCTION):
            if adapter.stage not in LIVE:
                continue
            try:
                await self.load(adapter)
            except NightschoolError as error:
                log.error("adapter=%s restore failed: %s", adapter.name, error)
                if adapter.stage is Stage.PRODUCTION:
                    self._routes.pop(adapter.bot, None)
            else:
                if adapter.stage is Stage.PRODUCTION:
                    self._routes[adapter.bot] = _route_of(adapter)

    async def load(self, adapter: Adapter) -> None:
        """Have the engine serve the adapter, proved. Idempotent.

        A name that the engine holds already is no proof: an engine outlives its server, and two may share one. Raises
        Busy where no adapter can make room or the name is loaded from another folder.
        """
        model, folder = str(adapter.name), self._home.root / adapter.folder
        async with self._loading:
            loaded = await self._engine.loaded_adapters()
            if loaded.get(model) == folder and self._proved.get(model) == adapter.content_hash:
                return
            if model not in loaded:
                await self._make_room()
            self._proved.pop(model, None)
            await load_proved(self._engine, model, folder, content_hash=adapter.content_hash, prove=self._prove)
            self._proved[model] = adapter.content_hash
        log.info("adapter=%s loaded", model)

    async def promote(
        self, bot: BotName, *, version: int | None = None, actor: str, reason: str, with_verdict: bool = False
    ) -> Adapter:
        """Make a version the bot's production; none means its newest candidate.

        Without a passing verdict a named operator must give a reason (invariant 3). The route flips after the move is
        in the record; the version before stays loaded. Raises InvalidInput, NotFound, IllegalMove, EngineError.
        """
        async with self._moving[bot]:
            adapter = await self._find(bot, version) if version else await self._newest_candidate(bot)
            if not (with_verdict and adapter.has_passing_verdict) and not reason.strip():
                raise InvalidInput(
                    "needs a reason, since an operator promotes it",
                    subject=str(adapter.name),
                    remedy="Say why, with --reason.",
                    param="reason",
                )
            if adapter.stage is Stage.PRODUCTION:
                raise Busy("is production already", subject=str(adapter.name), remedy="Nothing to do.")
            moved = move(adapter, Stage.PRODUCTION, actor=actor, reason=reason, at=self._now())
            await self.load(adapter)
            step_down = await self._step_down(adapter, actor=actor)
            await self._store_moves([*step_down, moved])
            self._routes[bot] = _route_of(adapter)
            log.info("bot=%s version=%s stage=production", bot, adapter.version)
            return moved.adapter

    async def rollback(self, bot: BotName, *, version: int | None = None, actor: str, reason: str) -> Route:
        """Flip back to the version before, else to `version`, else to the base model; production is retired.

        Raises InvalidInput without a reason, Busy where the base model answers already.
        """
        if not reason.strip():
            raise InvalidInput("needs a reason", subject=bot, remedy="Say why, with --reason.", param="reason")
        async with self._moving[bot]:
            adapters = await self._adapters(bot)
            current = next((a for a in adapters if a.stage is Stage.PRODUCTION), None)
            if current is None:
                raise Busy("is on the base model already", subject=bot, remedy="Nothing to roll back.")
            if version == current.version:
                raise Busy("is production already", subject=str(current.name), remedy="Choose an older version.")
            back_to = (
                await self._find(bot, version)
                if version
                else next((a for a in adapters if a.stage is Stage.PREVIOUS), None)
            )
            at = self._now()
            moves = [move(current, Stage.RETIRED, actor=actor, reason=reason, at=at)]
            if back_to:
                moves.append(move(back_to, Stage.PRODUCTION, actor=actor, reason=reason, at=at))
                await self.load(back_to)
            await self._store_moves(moves)
            self._routes[bot] = _route_of(back_to) if back_to else _base_route(bot)
            log.info("bot=%s rolled back from=%s to=%s", bot, current.name, self._routes[bot].name)
            return self._routes[bot]

    async def retire(self, adapter: Adapter, *, actor: str, reason: str) -> None:
        """Put an adapter that will not go live aside."""
        await self._store_moves([move(adapter, Stage.RETIRED, actor=actor, reason=reason, at=self._now())])

    async def _step_down(self, successor: Adapter, *, actor: str) -> list[Moved]:
        steps = {Stage.PRODUCTION: Stage.PREVIOUS, Stage.PREVIOUS: Stage.RETIRED}
        because = f"{successor.name} was promoted"
        return [
            move(adapter, steps[adapter.stage], actor=actor, reason=because, at=self._now())
            for adapter in await self._adapters(successor.bot)
            if adapter.stage in steps and adapter.version != successor.version
        ]

    async def _make_room(self) -> None:
        """Unload one idle adapter where the engine is full: first those that are not live, then previous ones."""
        loaded = await self._engine.loaded_adapters()
        if len(loaded) < self._max_adapters:
            return
        stages = {str(a.name): a.stage for a in await self._store.read(registry.adapters)}
        order = [Stage.RETIRED, Stage.TAINTED, Stage.CANDIDATE, Stage.PREVIOUS]
        routed = {route.model for route in self._routes.values()}
        idle = [m for m in loaded if not self._in_flight[m] and m not in routed and stages.get(m) in {*order, None}]
        if not idle:
            raise Busy(
                f"all {self._max_adapters} adapter slots are in use",
                subject="engine",
                remedy="Wait for answers in flight or raise engine.max_adapters.",
            )
        await self._engine.unload_adapter(min(idle, key=lambda m: order.index(stages.get(m, Stage.RETIRED))))

    async def _store_moves(self, moves: list[Moved]) -> None:
        await self._store.write(partial(registry.store_moves, moves=moves))

    async def _adapters(self, bot: BotName) -> list[Adapter]:
        return await self._store.read(partial(registry.adapters, bot=bot))

    async def _find(self, bot: BotName, version: int) -> Adapter:
        return await self._store.read(partial(registry.adapter, bot=bot, version=version))

    async def _newest_candidate(self, bot: BotName) -> Adapter:
        for adapter in await self._adapters(bot):
            if adapter.stage is Stage.CANDIDATE:
                return adapter
        raise NotFound("has no candidate", subject=bot, remedy="Run `nightschool night` or name a --version.")


def _base_route(bot: BotName) -> Route:
    return Route(AdapterName(bot, None), BASE, "")


def _route_of(adapter: Adapter) -> Route:
    return Route(adapter.name, str(adapter.name), adapter.content_hash)
