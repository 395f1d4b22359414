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
from deploy.plan import Decision, Step
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

    def step(self, step: Step) -> None:
        self.cycle = replace(self.cycle, step=step, progress=0.0)

    def advance(self, share: float) -> None:
        """`share` 0..1 of the current step."""
        self.cycle = replace(self.cycle, progress=min(1.0, share))

    def name_candidate(self, version: int) -> None:
        """Which version the cycle is about from now on."""
        self.cycle = replace(self.cycle, candidate=version)

    def decide(self, decision: Decision) -> None:
        """The night has its outcome: from here on nothing makes a failed one of it."""
        self.cycle = replace(
            self.cycle,
            step=Step.REPORT,
            progress=0.0,
            outcome=decision.outcome,
            reasons=decision.reasons,
            figures_json=decision.figures_json,
        )

    def fail(self, reason: str) -> None:
        """The step stays what it was: it says where the night broke. One that is decided stays so."""
        if self.cycle.outcome is None:
            self.cycle = replace(self.cycle, state=CycleState.FAILED, reasons=(reason,))

    def end(self) -> Cycle:
        """The night is over; the cycle as it is to stand in the record."""
        if self.cycle.state is CycleState.RUNNING:
            self.cycle = replace(self.cycle, state=CycleState.DONE, step=Step.FINISHED, progress=1.0)
        self.cycle = replace(self.cycle, finished_at=self._now())
        return self.cycle

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
