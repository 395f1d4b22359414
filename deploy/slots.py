"""The engine's few places for adapters: who is loaded, who makes room, and who may not be unloaded.

A lease keeps an adapter loaded: for an answer in flight, for an examination, while it is being promoted. What nobody
leases and nobody is routed to makes room, in the order of `MAKES_ROOM`. Does not know routes: it is told which to keep.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from collect import registry
from collect.store import Store
from deploy.proof import Prover, files_of, load_proved
from nightschool.engine import Engine
from nightschool.errors import Busy, NightschoolError
from nightschool.home import Home
from nightschool.records import Adapter, Stage

log = logging.getLogger(__name__)

MAKES_ROOM: Final = (Stage.RETIRED, Stage.TAINTED, Stage.CANDIDATE, Stage.PREVIOUS)
"""First who goes first; a name that the record does not know counts as retired."""
LOAD_S: Final = 60.0
"""How long what must go on without may take to load."""
EXAMINED: Final = 2
"""Of one examination: the candidate, and the last version that a person promoted."""


class Slots:
    """The places of one engine. One per server; made by `deploy.rollout`."""

    def __init__(self, store: Store, engine: Engine, *, home: Home, max_adapters: int, prove: Prover) -> None:
        self._store = store
        self._engine = engine
        self._home = home
        self._max_adapters = max_adapters
        self._prove = prove
        # Content hash of what each loaded name was proved to be, by this process and since the engine's last start.
        self._proved: dict[str, str] = {}
        self._leases: Counter[str] = Counter()
        # Guards the engine's set of adapters while room is made and an adapter loaded.
        self._loading = asyncio.Lock()

    @contextmanager
    def lease(self, *models: str) -> Iterator[None]:
        """These stay loaded until the block ends, where they are."""
        self._leases.update(models)
        try:
            yield
        finally:
            self._leases.subtract(models)

    def forget_proofs(self) -> None:
        """The engine was started anew: what a name stands for is to be proved again."""
        self._proved.clear()

    async def load(self, adapter: Adapter, *, keep: Collection[str]) -> None:
        """Have the engine serve the adapter, proved; `keep` names models that may not make room. Idempotent.

        A name that the engine holds already is no proof: an engine outlives its server, and two may share one. Raises
        Busy where no adapter can make room or the name is loaded from another folder, and what a failed proof raises.
        """
        model, files = str(adapter.name), files_of(adapter, home=self._home)
        async with self._loading:
            loaded = await self._engine.loaded_adapters()
            if loaded.get(model) == files.folder and self._proved.get(model) == adapter.content_hash:
                return
            if model not in loaded:
                await self._make_room(loaded, keep=keep)
            self._proved.pop(model, None)
            await load_proved(self._engine, model, files, prove=self._prove)
            self._proved[model] = adapter.content_hash
        log.info("adapter=%s loaded", model)

    async def unload(self, adapter: Adapter) -> None:
        """Have the engine serve it no more. Raises Busy while an answer is being given by it."""
        model = str(adapter.name)
        async with self._loading:
            if self._leases[model]:
                raise Busy("is answering", subject=model, remedy="Try again in a moment.")
            self._proved.pop(model, None)
            if model in await self._engine.loaded_adapters():
                await self._engine.unload_adapter(model)

    async def try_to_load(self, adapter: Adapter, *, keep: Collection[str]) -> str | None:
        """What kept the adapter from being loaded. Whatever it is, the other bots and the way down go on."""
        try:
            async with asyncio.timeout(LOAD_S):
                await self.load(adapter, keep=keep)
        except TimeoutError:
            return f"it took longer than {LOAD_S:.0f} s"
        except NightschoolError as error:
            return str(error)
        except Exception as error:
            log.exception("adapter=%s cannot be loaded", adapter.name)
            return repr(error)
        return None

    async def _make_room(self, loaded: Mapping[str, object], *, keep: Collection[str]) -> None:
        if len(loaded) < self._max_adapters:
            return
        stages = {str(a.name): a.stage for a in await self._store.read(registry.adapters)}
        ranks = {model: stages.get(model, Stage.RETIRED) for model in loaded}
        idle = [m for m, stage in ranks.items() if stage in MAKES_ROOM and m not in keep and not self._leases[m]]
        if not idle:
            raise Busy(
                f"all {self._max_adapters} adapter slots are in use",
                subject="engine",
                remedy="Wait for answers and examinations to end, or raise engine.max_adapters.",
            )
        await self._engine.unload_adapter(min(idle, key=lambda m: MAKES_ROOM.index(ranks[m])))


def slots_shortage(bots: int, *, max_adapters: int) -> str | None:
    """What too few slots mean; None where they hold production and previous of each bot, and an examination."""
    if max_adapters >= 2 * bots + EXAMINED:
        return None
    wanted = f"engine.max_adapters is {max_adapters}; {bots} bots and an examination want {2 * bots + EXAMINED}"
    if max_adapters >= bots + EXAMINED:
        return f"{wanted}. Versions before may be unloaded, and rolling back then takes as long as a load"
    return f"{wanted}. With fewer than {bots + EXAMINED}, nights wait in vain and bots may stay on the base model"
