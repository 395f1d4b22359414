"""Watch an engine that is not ours to start: a remote vLLM, or the fake.

Calls `on_ready` whenever it comes up, since an engine that was restarted has forgotten its adapters. Whatever a look or
`on_ready` meets, the watch goes on: an engine that is out of its mind must not take the server with it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from nightschool.engine import Engine
from nightschool.errors import NightschoolError
from serve.vllm.supervisor import EngineState, EngineStatus

log = logging.getLogger(__name__)

PERIOD_S: Final = 5.0


class EngineWatch:
    """Knows whether the engine answers."""

    def __init__(self, engine: Engine, *, on_ready: Callable[[], Awaitable[None]], period_s: float = PERIOD_S) -> None:
        self._engine = engine
        self._on_ready = on_ready
        self._period_s = period_s
        self.status = EngineStatus(EngineState.STARTING)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(self._period_s)

    async def _look(self) -> None:
        starts = self.status.starts
        try:
            await self._engine.check_ready()
            if self.status.state is not EngineState.READY:
                await self._on_ready()
                starts += 1
        except NightschoolError as error:
            if self.status.state is EngineState.READY:
                log.warning("engine=down %s", error)
            self.status = EngineStatus(EngineState.DOWN, str(error), starts)
        except Exception as error:
            down = EngineStatus(EngineState.DOWN, f"a fault of ours: {error!r}", starts)
            if self.status != down:
                log.exception("engine=down")
            self.status = down
        else:
            self.status = EngineStatus(EngineState.READY, starts=starts)
