"""Decide which adapter answers whom, and change that without dropping a request.

Holds the routes in memory, one for each bot; a flip replaces one entry, so every request sees the old version or the
new one and keeps it to its end. Desired state is the record's stages; `restore` brings an engine that forgot everything
back to them. Two ways lead to production: a passing verdict about the very weights that answer now, or an operator's
reason. Does not know how a verdict was reached.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from collect import holds, registry
from collect.holds import Hold
from collect.store import Store
from deploy.meant import find_to_promote, find_ways_down
from deploy.proof import Prover
from deploy.seat import Seat, Seating
from deploy.slots import Slots
from deploy.stages import GATE, check_reason, in_production, move, moves_up, put_aside
from nightschool.engine import Engine
from nightschool.errors import InvalidInput, NightschoolError, Unavailable
from nightschool.home import Home
from nightschool.records import BASE, Adapter, AdapterName, BotName, Event, Outcome, Stage, new_id, utc_now

log = logging.getLogger(__name__)

LIVE: Final = frozenset({Stage.PRODUCTION, Stage.PREVIOUS, Stage.CANARY, Stage.SHADOW})
SETTLE_PAUSES_S: Final = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Between two tries to load what should be live; the last one repeats."""


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
        max_whole: int = 0,
        prove: Prover,
        seat: Seat | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.seating = Seating(store, seat, home=home, now=now)
        self._store = store
        self._slots = Slots(store, engine, home=home, max_adapters=max_adapters, max_whole=max_whole, prove=prove)
        self._now = now
        self._routes: dict[BotName, Route] = {}
        # Live by the record, but the engine does not serve them.
        self._missing: set[AdapterName] = set()
        # Guards the moves of one bot: two operators, or an operator and the night.
        self._moving: defaultdict[BotName, asyncio.Lock] = defaultdict(asyncio.Lock)

    def route(self, bot: BotName) -> Route:
        """Who answers the bot's next request."""
        return self._routes.get(bot) or _base_route(bot)

    @contextmanager
    def lease(self, bot: BotName, *, route: Route | None = None) -> Iterator[Route]:
        """The route of one request; its adapter stays loaded until the block ends."""
        taken = route or self.route(bot)
        with self._slots.lease(taken.model):
            yield taken

    def lease_all(self, adapters: Iterable[Adapter]) -> AbstractContextManager[None]:
        """None of these is unloaded until the block ends; who is not loaded yet may be loaded in it."""
        return self._slots.lease(*(str(adapter.name) for adapter in adapters))

    async def route_to(self, bot: BotName, version: int | None) -> Route:
        """A route to one version, loaded where it was not. Raises NotFound."""
        if version is None:
            return _base_route(bot)
        adapter = await self._find(bot, version)
        if adapter.stage is Stage.TAINTED:
            raise InvalidInput("is tainted", subject=str(adapter.name), remedy="Choose another version.")
        await self.load(adapter)
        return _route_of(adapter)

    async def load(self, adapter: Adapter) -> None:
        """See `Slots.load`; what answers people makes no room."""
        await self._slots.load(adapter, keep=self._answering())

    async def unload(self, adapter: Adapter) -> None:
        """See `Slots.unload`."""
        await self._slots.unload(adapter)

    async def restore(self) -> None:
        """Load what the record says is live and point the routes at it; after each start of the engine.

        What cannot be loaded leaves its bot on the base model, and `keep_settled` tries it again.
        """
        self._slots.forget_proofs()
        await self._settle()

    async def keep_settled(self, *, pauses_s: Sequence[float] = SETTLE_PAUSES_S) -> None:
        """Until cancelled: try again to load what should be live and is not; unload what takes memory for nothing."""
        failures = 0
        while True:
            await asyncio.sleep(pauses_s[min(failures, len(pauses_s) - 1)])
            try:
                await self._settle(only=frozenset(self._missing))
                await self._slots.unload_retired(keep=self._answering())
            except NightschoolError as error:
                log.error("live adapters are not known: %s", error)
            except Exception:
                log.exception("live adapters are not loaded again now")
            failures = failures + 1 if self._missing else 0

    async def production(self, bot: BotName) -> Route:
        """Who answers, once that is who the record says. Raises Unavailable where its production cannot be loaded."""
        adapter = in_production(await self._adapters(bot))
        if adapter is None or self.route(bot).adapter_hash == adapter.content_hash:
            return self.route(bot)
        if problem := await self._settle_one(adapter):
            raise Unavailable(
                f"is in production and cannot be loaded ({problem})",
                subject=str(adapter.name),
                remedy="Restore its files or roll back; nothing is compared with less than what should be live.",
            )
        return self.route(bot)

    async def promote(
        self, bot: BotName, *, version: int | None = None, actor: str, reason: str, may_pause: bool = False
    ) -> Adapter:
        """An operator makes a version the bot's production; none means its newest candidate.

        The route flips after the move is in the record; the version before stays loaded where the engine is not changed
        for it. A hold stays armed. Raises InvalidInput without a reason (invariant 3), NotFound, Busy, IllegalMove, and
        what `Seating.having` and a failed load raise.
        """
        check_reason(reason, subject=bot)
        async with self._moving[bot]:
            adapter = await find_to_promote(self._store, bot, version)
            others = await self._adapters(bot)
            moves = moves_up(adapter, others, actor=actor, reason=reason, at=self._now())
            having = self.seating.having(adapter, bot=bot, actor=actor, may_pause=may_pause)
            with self.lease_all([adapter]):
                async with having:
                    await self.load(adapter)
                    await self._store.write(partial(holds.put_up, adapter=adapter, moves=moves))
                    self._flip(adapter)
            return moves[-1].adapter

    async def promote_by_verdict(self, evaluation_id: str) -> str | None:
        """Put the candidate of a passing verdict live; returns what speaks against it, None where it went live.

        A verdict is about named weights: what answers now must be what it was compared with, and nobody may have moved
        or held the bot since. It does so once: asked again after a crash, it answers as before. Raises InvalidInput
        without a passing verdict (invariant 3), and what a failed load raises.
        """
        evaluation = await self._store.read(partial(registry.find_evaluation, evaluation_id=evaluation_id))
        if evaluation is None or evaluation.outcome is not Outcome.PROMOTE:
            raise InvalidInput("is no passing verdict", subject=evaluation_id, remedy="An operator may promote it.")
        if evaluation.promoted_at:
            return None
        async with self._moving[evaluation.bot]:
            live_hash = self.route(evaluation.bot).adapter_hash
            object_to = partial(holds.find_objection, evaluation=evaluation, live_hash=live_hash)
            if objection := await self._store.read(object_to):
                return objection
            adapter = await self._find(evaluation.bot, evaluation.candidate)
            others = await self._adapters(evaluation.bot)
            moves = moves_up(adapter, others, actor=GATE, reason=evaluation.reasons[0], at=self._now())
            put_live = partial(holds.put_live, evaluation=evaluation, live_hash=live_hash, moves=moves, at=self._now())
            with self.lease_all([adapter]):
                await self.load(adapter)
                if objection := await self._store.write(put_live):
                    return objection
                self._flip(adapter)
        return None

    async def rollback(
        self,
        bot: BotName,
        *,
        version: int | None = None,
        only_from: AdapterName | None = None,
        actor: str,
        reason: str,
        may_pause: bool = False,
    ) -> Route:
        """Take production down: to the version before, or to `version` (0: the base model); production is retired.

        What cannot be loaded is passed over for one that was live before it, at last for the base model, so going down
        never fails, but where the engine that it must be changed for does not start. The bot is held from then on and
        the weights are refused: no verdict puts them live. Raises InvalidInput without a reason or for a version that
        never was live, Busy where the base model answers already or another than `only_from` is live, and what
        `Seating.having` raises.
        """
        check_reason(reason, subject=bot)
        async with self._moving[bot]:
            down = await find_ways_down(self._store, bot, version, only_from=only_from)
            current = down.current
            async with self.seating.having(down.first, bot=bot, actor=actor, may_pause=may_pause):
                back_to, passed_over = await self._slots.first_that_loads(down.ways, keep=self._answering())
                why, at = f"{reason} ({'; '.join(passed_over)})" if passed_over else reason, self._now()
                moves = [move(current, put_aside(current), actor=actor, reason=why, at=at)]
                if back_to:
                    moves.append(move(back_to, Stage.PRODUCTION, actor=actor, reason=why, at=at))
                hold = Hold(bot, actor, f"{current.name} was rolled back: {reason}", at)
                take_down = partial(holds.take_down, current=current, back_to=back_to, moves=moves, hold=hold)
                with self.lease_all([back_to] if back_to else []):
                    await self._store.write(take_down)
                    self._routes[bot] = _route_of(back_to) if back_to else _base_route(bot)
            log.info("bot=%s rolled back from=%s to=%s", bot, current.name, self._routes[bot].name)
            return self._routes[bot]

    async def hold(self, bot: BotName, *, actor: str, reason: str) -> None:
        """No version of the bot goes live by itself until `release`. Raises InvalidInput without a reason."""
        check_reason(reason, subject=bot)
        await self._store.write(partial(holds.arm_hold, hold=Hold(bot, actor, reason, self._now())))

    async def release(self, bot: BotName, *, actor: str, reason: str) -> None:
        """Verdicts move the bot again. Raises InvalidInput without a reason, Busy where it is not held."""
        check_reason(reason, subject=bot)
        await self._store.write(partial(holds.lift_hold, bot=bot, actor=actor, reason=reason, at=self._now()))

    async def retire(self, adapter: Adapter, *, actor: str, reason: str) -> None:
        """Put an adapter that will not go live aside."""
        moved = move(adapter, put_aside(adapter), actor=actor, reason=reason, at=self._now())
        await self._store.write(partial(registry.store_moves, moves=[moved]))

    async def taint(self, adapter: Adapter, *, actor: str, reason: str) -> None:
        """What it had learnt was erased. Production answers on, marked, until replaced; others are never used again."""
        async with self._moving[adapter.bot]:
            found = await self._find(adapter.bot, adapter.version)
            if found.stage in (Stage.PRODUCTION, Stage.TAINTED):
                event = Event(new_id(), self._now(), found.bot, actor, "tainted", str(found.name), reason)
                await self._store.write(partial(registry.mark_tainted, adapter=found, event=event))
            else:
                moved = move(found, Stage.TAINTED, actor=actor, reason=reason, at=self._now())
                await self._store.write(partial(registry.store_moves, moves=[moved]))

    async def _settle(self, *, only: frozenset[AdapterName] | None = None) -> None:
        adapters = await self._store.read(registry.adapters)
        for adapter in sorted(adapters, key=lambda a: (self._slots.is_whole(a), a.stage is not Stage.PRODUCTION)):
            if adapter.stage in LIVE and (only is None or adapter.name in only) and self.seating.fits(adapter):
                await self._settle_one(adapter)
        self._missing &= {adapter.name for adapter in adapters if adapter.stage in LIVE}

    async def _settle_one(self, adapter: Adapter) -> str | None:
        """Load what is live, and point the route at it where it is production; why that could not be done."""
        with self.lease_all([adapter]):
            problem = await self._slots.try_to_load(adapter, keep=self._answering())
            # Looked at again under the lock: a move while it was loaded must not be undone.
            async with self._moving[adapter.bot]:
                if (await self._find(adapter.bot, adapter.version)).stage is Stage.PRODUCTION:
                    if problem is None:
                        self._flip(adapter)
                    else:
                        self._routes.pop(adapter.bot, None)
        if problem is None:
            self._missing.discard(adapter.name)
        elif adapter.name not in self._missing:
            self._missing.add(adapter.name)
            log.error("adapter=%s should be live and cannot be loaded: %s", adapter.name, problem)
        return problem

    def _answering(self) -> set[str]:
        return {route.model for route in self._routes.values()}

    def _flip(self, adapter: Adapter) -> None:
        self._routes[adapter.bot] = _route_of(adapter)
        log.info("bot=%s version=%s answers", adapter.bot, adapter.version)

    async def _adapters(self, bot: BotName) -> list[Adapter]:
        return await self._store.read(partial(registry.adapters, bot=bot))

    async def _find(self, bot: BotName, version: int) -> Adapter:
        return await self._store.read(partial(registry.adapter, bot=bot, version=version))


def _base_route(bot: BotName) -> Route:
    return Route(AdapterName(bot, None), BASE, "")


def _route_of(adapter: Adapter) -> Route:
    return Route(adapter.name, str(adapter.name), adapter.content_hash)
