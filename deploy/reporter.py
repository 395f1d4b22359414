"""Say how far a cycle is, in its row of the record, without slowing it down.

Steps and shares arrive from the loop or a thread at any rate; a writer of its own puts the newest into the record at
most once a second.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from collect import cycles
from collect.store import Store
from deploy.morning import write_morning_report
from deploy.plan import NightFolder, Step
from nightschool.errors import NightschoolError
from nightschool.records import Cycle, CycleState

log = logging.getLogger(__name__)

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

    async def end_badly(self, folder: NightFolder, reason: str) -> Cycle:
        """Say why the night failed wherever it can be said: a record or a disk that fails must not end the server."""
        try:
            await self.fail(reason)
        except Exception as error:
            log.error("cycle=%s its end was not recorded: %s", self.cycle.cycle_id, error)
        try:
            write_morning_report(folder.root, self.cycle, folder.read_dataset())
        except Exception as error:
            log.error("cycle=%s its morning page was not written: %s", self.cycle.cycle_id, error)
        return self.cycle

    async def _close(self, cycle: Cycle) -> Cycle:
        self.cycle = cycle
        await self._store.write(partial(cycles.update_cycle, cycle=cycle))
        return cycle

    async def _write_forever(self) -> None:
        written = self.cycle
        while True:
            if self.cycle is not written and self.cycle.state is CycleState.RUNNING:
                written = self.cycle
                try:
                    await self._store.write(partial(cycles.update_cycle, cycle=written))
                except NightschoolError as error:
                    # The next one tells more; progress is no reason to end a night.
                    log.warning("cycle=%s progress was not recorded: %s", written.cycle_id, error)
            await asyncio.sleep(PERIOD_S)
