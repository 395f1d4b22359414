"""Who answers beside production, where a bot's file has two answers compared (`feedback.side_by_side_with`).

Only who is loaded already: whoever asked something waits for no load. One that is not is loaded behind, for the next
time, where the engine has a place for it. What an operator rolled back answers nobody this way either. Does not know
which turns are answered twice, nor who reads the answers.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, NamedTuple

from collect import registry
from collect.holds import rolled_back_hashes
from collect.store import Store
from deploy.rollout import Rollout, Route
from nightschool.bots import Bot
from nightschool.errors import InvalidInput, NightschoolError, Unavailable
from nightschool.records import Adapter, AdapterName, BotName, Stage

log = logging.getLogger(__name__)

PATIENCE_S: Final = 0.3
"""So long a turn waits to hear that the version is loaded."""
PAUSE_S: Final = 60.0
"""Between two tries to load a version that could not be loaded."""


class _Chosen(NamedTuple):
    bot: BotName
    adapter: Adapter | None
    """None is the base model."""

    @property
    def name(self) -> AdapterName:
        return self.adapter.name if self.adapter else AdapterName(self.bot, None)

    @property
    def content_hash(self) -> str:
        return self.adapter.content_hash if self.adapter else ""


class _Load(NamedTuple):
    task: asyncio.Task[Route]
    begun_s: float

    @property
    def has_failed(self) -> bool:
        return self.task.done() and self.task.exception() is not None


class Opponents:
    """Of every bot. One per server; made by `open_opponents`."""

    def __init__(self, store: Store, rollout: Rollout, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._rollout = rollout
        self._clock = clock
        self._loads: dict[AdapterName, _Load] = {}
        # Why nobody could be asked, as it was last logged.
        self._told: dict[BotName, str] = {}

    async def find(self, bot: Bot) -> Route | None:
        """A route to whoever answers beside production now; None where nobody else does."""
        try:
            route = await self._load(await self._choose(bot))
        except NightschoolError as error:
            if self._told.get(bot.bot_name) != str(error):
                log.warning("bot=%s nobody answers beside production: %s", bot.name, error)
                self._told[bot.bot_name] = str(error)
            return None
        self._told.pop(bot.bot_name, None)
        return route if route and route.adapter_hash != self._rollout.route(bot.bot_name).adapter_hash else None

    async def problem(self, bot: Bot) -> str:
        """Why nobody is asked, for an operator; empty where somebody else answers, or will once it is loaded."""
        try:
            chosen = await self._choose(bot)
        except NightschoolError as error:
            return str(error)
        if chosen.content_hash == self._rollout.route(bot.bot_name).adapter_hash:
            return f"{chosen.name} is production itself"
        load = self._loads.get(chosen.name)
        return str(load.task.exception()) if load and load.has_failed else ""

    async def close(self) -> None:
        """Loads under way are given up."""
        tasks = {load.task for load in self._loads.values()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _choose(self, bot: Bot) -> _Chosen:
        """Raises NotFound for a version that is not registered, InvalidInput for one that must not answer."""
        wanted, name = bot.feedback.side_by_side_with, bot.bot_name
        if wanted == "base":
            return _Chosen(name, None)
        if wanted == "previous":
            adapters = await self._store.read(partial(registry.adapters, bot=name))
            before = [adapter for adapter in adapters if adapter.stage is Stage.PREVIOUS]
            chosen = max(before, key=lambda adapter: adapter.version, default=None)
        else:
            chosen = await self._store.read(partial(registry.adapter, bot=name, version=wanted))
        if chosen is not None:
            refused = await self._store.read(partial(rolled_back_hashes, bot=name))
            _check_may_answer(chosen, refused)
        return _Chosen(name, chosen)

    async def _load(self, chosen: _Chosen) -> Route | None:
        """None while it is being loaded. Raises what kept it from being loaded."""
        load = self._loads.get(chosen.name)
        is_tried = load is not None and load.has_failed and self._clock() - load.begun_s < PAUSE_S
        if load is None or (load.task.done() and not is_tried):
            load = self._loads[chosen.name] = _Load(asyncio.create_task(self._route_to(chosen)), self._clock())
        done, _ = await asyncio.wait({load.task}, timeout=PATIENCE_S)
        return load.task.result() if done else None

    async def _route_to(self, chosen: _Chosen) -> Route:
        try:
            return await self._rollout.route_to(chosen.bot, chosen.name.version)
        except NightschoolError:
            raise
        except Exception as error:
            # Whatever it is, production's answer goes on.
            log.exception("adapter=%s cannot be loaded", chosen.name)
            problem, remedy = f"cannot be loaded ({error!r})", "See the log."
            raise Unavailable(problem, subject=str(chosen.name), remedy=remedy) from error


def _check_may_answer(adapter: Adapter, refused: frozenset[str]) -> None:
    problem = "is tainted" if adapter.tainted_at else "was rolled back" if adapter.content_hash in refused else ""
    if problem:
        remedy = "Name another in feedback.side_by_side_with."
        raise InvalidInput(problem, subject=str(adapter.name), remedy=remedy)


@asynccontextmanager
async def open_opponents(store: Store, rollout: Rollout) -> AsyncIterator[Opponents]:
    opponents = Opponents(store, rollout)
    try:
        yield opponents
    finally:
        await opponents.close()
