"""Say how far a cycle is, in its row of the record, without slowing it down.

Steps and shares arrive from the loop or a thread at any rate; a writer of its own puts the newest into the record at
most once a second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from collect import cycles
from collect.store import Store
from deploy.plan import Step
from nightschool.records import Cycle, CycleState

PERIOD_S: Final = 1.0


class Reporter:
    """Holds the cycle as it stands now."""

    def __init__(self, store: Store, cycle: Cycle, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self.cycle = cycle

    def step(self, step: Step, *, candidate: int | None = None) -> None:
        self.cycle = replace(self.cycle, step=step, progress=0.0, candidate=candidate or self.cycle.candidate)

    def advance(self, share: float) -> None:
        """`share` 0..1 of the current step."""
        self.cycle = replace(self.cycle, progress=min(1.0, share))

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Keep the row up to date for the length of the block."""
        writer = asyncio.create_task(self._write_forever())
        try:
            yield
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer

    async def finish(self, cycle: Cycle) -> Cycle:
        return await self._close(
            replace(cycle, state=CycleState.DONE, step=Step.FINISHED, progress=1.0, finished_at=self._now())
        )

    async def fail(self, reason: str) -> Cycle:
        """The step stays what it was: it says where the night broke."""
        return await self._close(
            replace(self.cycle, state=CycleState.FAILED, reasons=(reason,), finished_at=self._now())
        )

    async def _close(self, cycle: Cycle) -> Cycle:
        self.cycle = cycle
        await self._store.write(partial(cycles.update_cycle, cycle=cycle))
        return cycle

    async def _write_forever(self) -> None:
        written = self.cycle
        while True:
            if self.cycle is not written and self.cycle.state is CycleState.RUNNING:
                written = self.cycle
                await self._store.write(partial(cycles.update_cycle, cycle=written))
            await asyncio.sleep(PERIOD_S)
