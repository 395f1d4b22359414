"""The one place of an engine of ours: who has it, and how another gets it.

An engine that is changed is left first to the answers that it gives, then ended, and the next one started in its
place, at the same socket; whoever asks meanwhile is told when to come again. Does not know how an engine is started
(`serve.vllm.own`), nor who should have the place (`deploy.seat`).
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from deploy.seat import Sitter
from nightschool.errors import EngineError, EngineStarting, Unavailable
from nightschool.tasks import TasksByName
from nightschool.weights import is_alone
from serve.vllm.supervisor import EngineState, EngineStatus

POLL_S: Final = 0.2
DRAIN_S: Final = 30.0
"""How long answers that are being given may keep an engine that is changed."""
USUAL_START_S: Final = 60.0
"""Told while none was measured."""
TRIES: Final = 3
"""So many starts in a row may fail: what passes, as memory that another process still holds, has passed by then."""
KEEPER: Final = "keeper"

OnReady = Callable[[], Awaitable[None]]


class Keeper(Protocol):
    """Looks after one engine."""

    @property
    def status(self) -> EngineStatus: ...

    async def run(self) -> None:
        """Until cancelled."""
        ...


OpenKeeper = Callable[[Sitter | None, OnReady], Keeper]
"""Of the engine of a whole model, or of the base model."""


class EngineSeat:
    """See `deploy.seat.Seat`; also keeps the engine of whoever has the place."""

    def __init__(self, open_keeper: OpenKeeper, *, drain_s: float = DRAIN_S) -> None:
        self._open_keeper = open_keeper
        self._drain_s = drain_s
        self._on_ready: OnReady | None = None
        self._tasks: TasksByName | None = None
        self._keeper: Keeper | None = None
        self._began_s = time.monotonic()
        # Which of the keeper's starts answered last; None before the first did.
        self._answered: int | None = None
        self._starts_before = 0
        self._in_flight = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        # Guards the place: one change at a time.
        self._changing = asyncio.Lock()
        # What follows a start waits until the record was moved or the change undone.
        self._is_settled = asyncio.Event()
        self._is_settled.set()
        self.sitter: Sitter | None = None
        self.pause_s: float | None = None

    def begin_with(self, sitter: Sitter) -> None:
        self.sitter = sitter

    def tell_ready(self, on_ready: OnReady) -> None:
        """`on_ready` is called behind each start, once nobody changes the place."""
        self._on_ready = on_ready

    @property
    def status(self) -> EngineStatus:
        alone = str(self.sitter.name) if self.sitter else ""
        if self._keeper is None:
            return EngineStatus(EngineState.STARTING, alone=alone)
        now = self._keeper.status
        state = now.state if self._is_settled.is_set() else EngineState.STARTING
        return replace(now, state=state, starts=self._starts_before + now.starts, alone=alone)

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._tasks = TasksByName(group)
            self._begin()
            await asyncio.Event().wait()

    @contextmanager
    def answering(self, model: str) -> Iterator[None]:
        """For the length of an answer, to which a change gives some time. Raises EngineStarting, and as `check`."""
        if self._is_starting:
            left_s = (self.pause_s or USUAL_START_S) - (time.monotonic() - self._began_s)
            raise EngineStarting(
                "is starting",
                subject="engine",
                remedy="Ask again in a moment.",
                retry_after_s=max(1, math.ceil(left_s)),
            )
        self.check(model)
        self._in_flight += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._is_idle.set()

    def check(self, model: str) -> None:
        """Raises Unavailable for whom the engine does not serve while it is a whole model's: its own would answer."""
        if self.sitter and model != str(self.sitter.name):
            raise Unavailable(
                f"has no engine while {self.sitter.name} answers alone", subject=model, remedy="Roll that back first."
            )

    def holds(self, name: str, folder: Path) -> bool:
        """Whether this is who has the place. Raises Unavailable for what cannot be loaded while it is as it is."""
        if self.sitter and (str(self.sitter.name), self.sitter.folder) == (name, folder):
            return True
        if is_alone(folder):
            raise Unavailable(
                "answers alone, so it is loaded only as it goes live", subject=name, remedy="Promote it, or leave it."
            )
        self.check(name)
        return False

    async def until_it_does_not_start(self) -> Sitter:
        while self.sitter is None or not self._is_settled.is_set() or self._failures < TRIES:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        return self.sitter

    @asynccontextmanager
    async def changed_to(self, sitter: Sitter | None) -> AsyncIterator[None]:
        async with self._changing:
            before, self._began_s = self.sitter, time.monotonic()
            self._is_settled.clear()
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._is_idle.wait(), self._drain_s)
                await self._replace(sitter)
                await self._wait_until_it_answers()
                yield
            except BaseException:
                if self.sitter != before:
                    await self._replace(before)
                raise
            finally:
                self._is_settled.set()

    @property
    def _failures(self) -> int:
        """Starts in a row of which none came to answer."""
        if self._keeper is None:
            return 0
        now = self._keeper.status
        return now.starts - (self._answered or 0) - (now.state is EngineState.STARTING)

    @property
    def _is_starting(self) -> bool:
        if self._keeper is None or not self._is_settled.is_set():
            return True
        now = self._keeper.status
        return now.state is EngineState.STARTING and now.starts != self._answered

    async def _replace(self, sitter: Sitter | None) -> None:
        assert self._tasks
        assert self._keeper, "it is changed while it runs"
        self.sitter = sitter
        await self._tasks.stop(KEEPER)
        self._starts_before += self._keeper.status.starts
        self._begin()

    def _begin(self) -> None:
        assert self._tasks
        self._began_s, self._answered = time.monotonic(), None
        self._keeper = self._open_keeper(self.sitter, self._came_up)
        self._tasks.start(KEEPER, self._keeper.run())

    async def _came_up(self) -> None:
        assert self._keeper
        assert self._on_ready, "it is told before it runs"
        if self._answered is None:
            self.pause_s = time.monotonic() - self._began_s
        self._answered = self._keeper.status.starts
        await self._is_settled.wait()
        await self._on_ready()

    async def _wait_until_it_answers(self) -> None:
        assert self._keeper
        while self._answered is None:
            if (now := self._keeper.status).state is EngineState.DOWN:
                raise EngineError(
                    f"its engine did not start ({now.detail})",
                    subject=str(self.sitter.name) if self.sitter else "base model",
                    remedy="What answered before gets the engine again.",
                )
            await asyncio.sleep(POLL_S)
