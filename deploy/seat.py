"""Who has the server's own engine: the base model with its adapters, or a whole model that answers alone.

Where memory holds no two engines, a whole model that goes live takes the first one's place: that is stopped, the whole
model's is started, and nobody is answered in between. The record is moved once the new one has proved itself, and at a
start the engine is whose the record says, so a kill at any time leaves one or the other. Where the new one does not
come up or fails its proof, the one before has the engine again and the audit says so. Does not know how an engine is
started.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from collect import cycles, registry
from collect.events import append_event
from collect.store import Store
from deploy.proof import files_of
from nightschool.errors import Busy, NeedsPause, NightschoolError, Unavailable
from nightschool.home import Home
from nightschool.records import Adapter, AdapterName, BotName, Event, Stage, new_id
from nightschool.weights import is_alone, is_whole
from tune.progress import describe_seconds

log = logging.getLogger(__name__)


class Sitter(NamedTuple):
    """A whole model that has the engine to itself."""

    name: AdapterName
    folder: Path


class Seat(Protocol):
    """The engine's one place."""

    @property
    def sitter(self) -> Sitter | None:
        """None: the base model."""
        ...

    @property
    def pause_s(self) -> float | None:
        """How long the last start took; None before there was one."""
        ...

    def begin_with(self, sitter: Sitter) -> None:
        """Before the engine's first start."""
        ...

    async def until_it_does_not_start(self) -> Sitter:
        """Returns the sitter once its engine, at its first start or after it died, has failed to start several times
        in a row and nobody is changing the place."""
        ...

    def changed_to(self, sitter: Sitter | None) -> AbstractAsyncContextManager[None]:
        """The block begins once the new one's engine answers, and for its length nobody is let through to it. Where it
        does not start (EngineError) or the block fails, the one before has the engine again."""
        ...


class Seating:
    """Which versions need the engine to themselves, and how they come to it. One per server; `seat` is None where the
    engine is not the server's own."""

    def __init__(self, store: Store, seat: Seat | None, *, home: Home, now: Callable[[], datetime]) -> None:
        self._store = store
        self._seat = seat
        self._home = home
        self._now = now

    @property
    def sitter(self) -> Sitter | None:
        return self._seat.sitter if self._seat else None

    async def begin(self) -> None:
        """Before the engine's first start: it is whose the record says."""
        for adapter in await self._store.read(registry.adapters):
            if adapter.stage is Stage.PRODUCTION and (sitter := self._wanted(adapter)):
                if self._seat:
                    self._seat.begin_with(sitter)
                else:
                    log.error("adapter=%s should answer alone, and the engine is not the server's own", sitter.name)

    def check_base(self, subject: str) -> None:
        """Raises Unavailable while a whole model answers alone: what `subject` is about needs the base model."""
        if sitter := self.sitter:
            raise Unavailable(
                f"needs the base model, in whose place {sitter.name} answers alone",
                subject=subject,
                remedy=f"Roll {sitter.name} back first.",
            )

    def fits(self, adapter: Adapter) -> bool:
        """Whether it can be loaded while the engine is whose it is."""
        wanted = self._wanted(adapter)
        return wanted == self.sitter or (wanted is None and is_whole(self._folder(adapter)))

    def describe_pause(self, adapter: Adapter | None) -> str:
        """What it takes to have this version live, or the base model; empty where nobody waits for it."""
        wanted = self._wanted(adapter)
        if wanted == self.sitter:
            return ""
        pause_s = self._seat.pause_s if self._seat else None
        long = f"about {describe_seconds(pause_s)}, as its last start took" if pause_s else "as long as a start takes"
        if wanted is None:
            return f"the engine is stopped and started again with the base model; nobody is answered for {long}"
        return (
            f"{wanted.name} answers alone: the engine is stopped and started again with it; nobody is answered for "
            f"{long}, and as long as it is live no other bot and no other version is, and no night begins"
        )

    @asynccontextmanager
    async def having(
        self, adapter: Adapter | None, *, bot: BotName, actor: str, may_pause: bool
    ) -> AsyncIterator[None]:
        """For the block, which moves the record, the engine is the adapter's, or the base model's with its adapters.

        Raises NeedsPause where that takes a pause that nobody allowed, Busy while a night runs or another bot's version
        answers alone, and EngineError where the engine does not start; then nothing was moved.
        """
        wanted, before = self._wanted(adapter), self.sitter
        if wanted == before:
            yield
            return
        if before and before.name.bot != bot:
            raise Busy("answers alone", subject=str(before.name), remedy="Roll it back first.")
        if self._seat is None:
            raise Unavailable(
                "answers alone, for which the engine must be the server's own",
                subject=str(adapter.name) if adapter else bot,
                remedy="Leave engine.url out of the settings.",
            )
        if wanted and (running := await self._store.read(cycles.running_cycles)):
            raise Busy("has a night under way", subject=running[0].bot, remedy="Wait until it has ended.")
        if not may_pause:
            raise NeedsPause(
                self.describe_pause(adapter),
                subject=bot,
                remedy='Say that it may: --yes, or "pause": true.',
            )
        try:
            async with self._seat.changed_to(wanted):
                yield
        except Exception as error:
            await self._tell(error, bot=bot, wanted=wanted, before=before, actor=actor)
            raise

    def _wanted(self, adapter: Adapter | None) -> Sitter | None:
        if adapter is None or not is_alone(self._folder(adapter)):
            return None
        return Sitter(adapter.name, self._folder(adapter))

    def _folder(self, adapter: Adapter) -> Path:
        return files_of(adapter, home=self._home).folder

    async def _tell(
        self, error: Exception, *, bot: BotName, wanted: Sitter | None, before: Sitter | None, actor: str
    ) -> None:
        subject = str(wanted.name if wanted else AdapterName(bot, None))
        has_it = before.name if before else "the base model"
        event = Event(
            new_id(), self._now(), bot, actor, "not-served", subject, f"{error} {has_it} has the engine again."
        )
        try:
            await self._store.write(partial(append_event, event=event))
        except NightschoolError as why:
            log.error("that %s was not served was not recorded: %s", subject, why)
