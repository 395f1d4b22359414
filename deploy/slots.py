"""The engine's few places for adapters and whole models: who is loaded, who makes room, who may not be unloaded.

A lease keeps a version loaded: for an answer in flight, for an examination, while it is being promoted. What nobody
leases and nobody is routed to makes room, in the order of `MAKES_ROOM`. A whole model takes a minute to load and much
memory, so it has places of its own, which no adapter waits for, and leaves its own when it is retired. Does not know
routes: it is told which to keep.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from collect import registry
from collect.store import Store
from deploy.proof import AdapterFiles, Prover, files_of, load_proved
from nightschool.engine import Engine
from nightschool.errors import Busy, EngineError, NightschoolError, TooLittleMemory
from nightschool.home import Home
from nightschool.records import Adapter, Stage
from nightschool.weights import is_whole

log = logging.getLogger(__name__)

MAKES_ROOM: Final = (Stage.RETIRED, Stage.TAINTED, Stage.CANDIDATE, Stage.PREVIOUS)
"""First who goes first; a name that the record does not know counts as retired."""
LOAD_S: Final = 60.0
"""How long an adapter may take to load that must be gone on without. A whole model's start has the engine's limit."""
IDLE_S: Final = 600.0
"""A retired whole model that was asked nothing for so long is unloaded."""
EXAMINED: Final = 2
"""Of one examination: the candidate, and the last version that a person promoted."""


class FirstThatLoads(NamedTuple):
    adapter: Adapter | None
    passed_over: list[str]
    """In words."""


class _Places:
    """Of one kind."""

    def __init__(self, most: int, *, is_whole: bool) -> None:
        self.most = most
        self.is_whole = is_whole
        # Guards the engine's set of this kind while room is made and one loaded.
        self.loading = asyncio.Lock()

    def pick(self, loaded: Mapping[str, Path]) -> list[str]:
        return [model for model, folder in loaded.items() if is_whole(folder) == self.is_whole]

    def full(self) -> Busy:
        if not self.most:
            return Busy(
                "holds no whole models",
                subject="engine",
                remedy="Set engine.whole_models, where the engine is the server's own (no engine.url).",
            )
        kind, setting = ("whole model", "whole_models") if self.is_whole else ("adapter", "max_adapters")
        return Busy(
            f"all {self.most} {kind} slots are in use",
            subject="engine",
            remedy=f"Wait for answers and examinations to end, or raise engine.{setting}.",
        )


class Slots:
    """The places of one engine. One per server; made by `deploy.rollout`."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        *,
        home: Home,
        max_adapters: int,
        max_whole: int,
        prove: Prover,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._engine = engine
        self._home = home
        self._adapters = _Places(max_adapters, is_whole=False)
        self._whole = _Places(max_whole, is_whole=True)
        self._prove = prove
        self._clock = clock
        # Content hash of what each loaded name was proved to be, by this process and since the engine's last start.
        self._proved: dict[str, str] = {}
        self._leases: Counter[str] = Counter()
        # When each was last leased or loaded.
        self._used_s: dict[str, float] = {}

    @contextmanager
    def lease(self, *models: str) -> Iterator[None]:
        """These stay loaded until the block ends, where they are."""
        self._leases.update(models)
        try:
            yield
        finally:
            self._leases.subtract(models)
            self._used_s.update(dict.fromkeys(models, self._clock()))

    def is_whole(self, adapter: Adapter) -> bool:
        """Whether it is a whole model, by its files."""
        return is_whole(files_of(adapter, home=self._home).folder)

    def forget_proofs(self) -> None:
        """The engine was started anew: what a name stands for is to be proved again."""
        self._proved.clear()

    async def load(self, adapter: Adapter, *, keep: Collection[str]) -> None:
        """Have the engine serve the adapter, proved; `keep` names models that may not make room. Idempotent.

        A name that the engine holds already is no proof: an engine outlives its server, and two may share one. Raises
        Busy where none can make room or the name is loaded from another folder, TooLittleMemory for a whole model that
        does not fit though all made room that may, and what a failed proof raises.
        """
        model, files = str(adapter.name), files_of(adapter, home=self._home)
        places = self._places_of(adapter)
        async with places.loading:
            loaded = await self._engine.loaded_adapters()
            if loaded.get(model) == files.folder and self._proved.get(model) == adapter.content_hash:
                return
            is_full = model not in loaded and len(places.pick(loaded)) >= places.most
            if is_full and not await self._make_room(places, loaded, keep=keep):
                raise places.full()
            self._proved.pop(model, None)
            await self._load(places, model, files, keep=keep)
            self._proved[model] = adapter.content_hash
            self._used_s[model] = self._clock()
        log.info("adapter=%s loaded", model)

    async def unload(self, adapter: Adapter) -> None:
        """Have the engine serve it no more. Raises Busy while an answer is being given by it."""
        model = str(adapter.name)
        async with self._places_of(adapter).loading:
            if self._leases[model]:
                raise Busy("is answering", subject=model, remedy="Try again in a moment.")
            self._proved.pop(model, None)
            if model in await self._engine.loaded_adapters():
                await self._engine.unload_adapter(model)

    async def try_to_load(self, adapter: Adapter, *, keep: Collection[str]) -> str | None:
        """What kept the adapter from being loaded. Whatever it is, the other bots and the way down go on."""
        try:
            async with asyncio.timeout(None if self.is_whole(adapter) else LOAD_S):
                await self.load(adapter, keep=keep)
        except TimeoutError:
            return f"it took longer than {LOAD_S:.0f} s"
        except NightschoolError as error:
            return str(error)
        except Exception as error:
            log.exception("adapter=%s cannot be loaded", adapter.name)
            return repr(error)
        return None

    async def first_that_loads(self, ways: Sequence[Adapter], *, keep: Collection[str]) -> FirstThatLoads:
        """See `try_to_load`."""
        passed_over: list[str] = []
        for adapter in ways:
            problem = await self.try_to_load(adapter, keep=keep)
            if problem is None:
                return FirstThatLoads(adapter, passed_over)
            log.warning("adapter=%s passed over: %s", adapter.name, problem)
            passed_over.append(f"{adapter.name} cannot be loaded")
        return FirstThatLoads(None, passed_over)

    async def unload_retired(self, *, keep: Collection[str]) -> None:
        """Give back the memory of whole models that will hardly be asked again; see `IDLE_S`."""
        async with self._whole.loading:
            with suppress(EngineError):  # one that does not answer is asked the next time
                idle = await self._idle(self._whole, await self._engine.loaded_adapters(), keep=keep)
                oldest_s = self._clock() - IDLE_S
                for model, stage in idle.items():
                    if stage in (Stage.RETIRED, Stage.TAINTED) and self._used_s.get(model, oldest_s) < oldest_s:
                        await self._engine.unload_adapter(model)
                        log.info("adapter=%s unloaded, since it is %s", model, stage)

    def _places_of(self, adapter: Adapter) -> _Places:
        return self._whole if self.is_whole(adapter) else self._adapters

    async def _load(self, places: _Places, model: str, files: AdapterFiles, *, keep: Collection[str]) -> None:
        while True:
            try:
                return await load_proved(self._engine, model, files, prove=self._prove)
            except TooLittleMemory:
                if not await self._make_room(places, await self._engine.loaded_adapters(), keep=keep):
                    raise

    async def _make_room(self, places: _Places, loaded: Mapping[str, Path], *, keep: Collection[str]) -> bool:
        """Whether one could be unloaded."""
        ranks = await self._idle(places, loaded, keep=keep)
        if not ranks:
            return False
        await self._engine.unload_adapter(min(ranks, key=lambda model: MAKES_ROOM.index(ranks[model])))
        return True

    async def _idle(self, places: _Places, loaded: Mapping[str, Path], *, keep: Collection[str]) -> dict[str, Stage]:
        """Who may be unloaded, with their stages."""
        stages = {str(a.name): a.stage for a in await self._store.read(registry.adapters)}
        ranks = {model: stages.get(model, Stage.RETIRED) for model in places.pick(loaded)}
        return {m: stage for m, stage in ranks.items() if stage in MAKES_ROOM and m not in keep and not self._leases[m]}


def slots_shortage(bots: int, *, max_adapters: int) -> str | None:
    """What too few slots mean; None where they hold production and previous of each bot, and an examination."""
    if max_adapters >= 2 * bots + EXAMINED:
        return None
    wanted = f"engine.max_adapters is {max_adapters}; {bots} bots and an examination want {2 * bots + EXAMINED}"
    if max_adapters >= bots + EXAMINED:
        return f"{wanted}. Versions before may be unloaded, and rolling back then takes as long as a load"
    return f"{wanted}. With fewer than {bots + EXAMINED}, nights wait in vain and bots may stay on the base model"
