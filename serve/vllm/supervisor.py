"""Keep one vLLM alive: start it under a warden, wait until it answers, start it again when it dies.

Knows the process, not what is served: `on_ready` is called after every start, so that whoever holds the desired
adapters can load them again (an engine forgets them). A stop ends the whole process group.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

from nightschool.child import Child, run_child
from nightschool.engine import Engine
from nightschool.errors import EngineError, NightschoolError

log = logging.getLogger(__name__)

PAUSES_S: Final = (1.0, 5.0, 15.0, 60.0)
"""Before each further start in a row that failed; the last one repeats."""
POLL_S: Final = 0.5
GRACE_S: Final = 4.0


class EngineState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class EngineStatus:
    state: EngineState
    detail: str = ""
    starts: int = 0
    whole_models: "Mapping[str, EngineStatus]" = field(default_factory=dict)
    """Those that have engines of their own, by the version's name."""
    alone: str = ""
    """The whole model that has the engine to itself, in the base model's place."""


class EngineSupervisor:
    """Owns the engine's process for as long as `run` runs."""

    def __init__(
        self,
        engine: Engine,
        *,
        command: Sequence[str],
        environment: Mapping[str, str],
        socket: Path,
        log_file: Path,
        start_timeout_s: float,
        on_ready: Callable[[], Awaitable[None]],
        welcome_pause_s: float = 5.0,
    ) -> None:
        """`welcome_pause_s` stands between two tries of `on_ready`."""
        self._engine = engine
        self._command = command
        self._environment = environment
        self._socket = socket
        self._log_file = log_file
        self._start_timeout_s = start_timeout_s
        self._on_ready = on_ready
        self._welcome_pause_s = welcome_pause_s
        self.status = EngineStatus(EngineState.STARTING)

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        starts = 0
        while True:
            starts += 1
            self.status = EngineStatus(EngineState.STARTING, starts=starts)
            failures = 0 if await self._run_once(starts) else failures + 1
            pause_s = PAUSES_S[min(failures, len(PAUSES_S) - 1)]
            await asyncio.sleep(pause_s)

    async def _run_once(self, starts: int) -> bool:
        """One life of the process. True if it was ready at some time."""
        self._log_file.unlink(missing_ok=True)
        # Of one that was killed: vLLM does not start where its socket lies already.
        self._socket.unlink(missing_ok=True)
        async with run_child(
            self._command, log=self._log_file, environment=self._environment, grace_s=GRACE_S
        ) as child:
            try:
                await self._wait_until_ready(child)
            except NightschoolError as error:
                log.warning("engine start failed: %s", error)
                self.status = EngineStatus(EngineState.DOWN, str(error), starts)
                return False
            await self._welcome(child, starts)
            code = await child.wait()
            self.status = EngineStatus(EngineState.DOWN, f"exit code {code}: {child.log_tail(3)}", starts)
            log.warning("engine=died code=%d", code)
            return True

    async def _welcome(self, child: Child, starts: int) -> None:
        """Call `on_ready` until it succeeds or the process ends: its failure is no reason to end a sound engine."""
        while child.is_running:
            try:
                await self._on_ready()
            except Exception as error:
                down = EngineStatus(EngineState.DOWN, f"answers, but what follows a start failed: {error}", starts)
                if self.status != down:
                    log.exception("engine answers, but what follows its start failed")
                self.status = down
                await asyncio.sleep(self._welcome_pause_s)
            else:
                self.status = EngineStatus(EngineState.READY, starts=starts)
                log.info("engine=ready starts=%d", starts)
                return

    async def _wait_until_ready(self, child: Child) -> None:
        deadline = time.monotonic() + self._start_timeout_s
        while time.monotonic() < deadline:
            if not child.is_running:
                raise EngineError(
                    f"vLLM ended while starting:\n{child.log_tail(12)}\n",
                    subject="engine",
                    remedy=f"The whole log is {self._log_file}; `nightschool doctor` checks memory and packages.",
                )
            try:
                await self._engine.check_ready()
            except NightschoolError:
                await asyncio.sleep(POLL_S)
            else:
                return
        raise EngineError(
            f"vLLM did not answer within {self._start_timeout_s:.0f} s",
            subject="engine",
            remedy="Raise engine.start_timeout_s or look into its log.",
        )
