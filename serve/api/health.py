"""/healthz, /readyz and /metrics, for whoever keeps the server up; no key needed, so no secret in them.

Ready means that a token really came back from the engine a moment ago, that the record answers, and that the server is
not stopping; not that a process runs. A whole model's engine that is down fails nobody but those who ask it, so it is
named and the server stays in service. So is a whole model that the server took down because it did not start.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST

from collect import holds
from deploy.giving_way import SERVER
from nightschool.engine import Engine
from nightschool.errors import NightschoolError, RecordError, Unavailable
from serve.api.errors import error_response
from serve.disk import look_at_disk
from serve.parts import Parts
from serve.vllm.supervisor import EngineState, EngineStatus

FRESH_S: Final = 5.0
"""How long a proof counts, so that probes do not load the engine."""
PATIENCE_S: Final = 10.0
"""How long one token may take; a probe would not wait longer."""


class Readiness:
    """One proof for many probes."""

    def __init__(
        self, engine: Engine, status: Callable[[], EngineStatus], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine = engine
        self._status = status
        self._clock = clock
        self._proved_at_s = float("-inf")
        # Guards the proof: probes that come together ask the engine once.
        self._proving = asyncio.Lock()

    async def check(self) -> None:
        """Returns where an answer came back within the last seconds. Raises Unavailable with the reason."""
        state = self._status().state
        if state is not EngineState.READY:
            self._proved_at_s = float("-inf")
            raise Unavailable(f"is {state}", subject="engine", remedy="`nightschool status` tells more.")
        async with self._proving:
            if self._clock() - self._proved_at_s > FRESH_S:
                await self._prove()
                self._proved_at_s = self._clock()

    async def _prove(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._engine.check_ready()
        except TimeoutError:
            raise Unavailable(
                f"gave no token within {PATIENCE_S:g} s", subject="engine", remedy="It may be busy; try again."
            ) from None
        except NightschoolError as error:
            raise Unavailable(error.problem, subject="engine", remedy="`nightschool status` tells more.") from error


def health_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    readiness = Readiness(parts.engine, parts.engine_status)

    @router.api_route("/healthz", methods=["GET", "HEAD"])
    async def alive() -> dict[str, str]:
        return {"status": "alive"}

    @router.api_route("/readyz", methods=["GET", "HEAD"], response_model=None)
    async def ready() -> dict[str, object] | Response:
        try:
            if parts.turns.is_stopping:
                raise Unavailable("is stopping", subject="server", remedy="Ask another one.")
            await parts.store.check_open()
            await readiness.check()
            taken_down = await parts.store.read(partial(holds.taken_down, actor=SERVER))
        except RecordError as error:
            return error_response(Unavailable(error.problem, subject="record", remedy=error.remedy))
        except Unavailable as error:
            # Not raised: a probe asks again and again, and its answer belongs in no log.
            return error_response(error)
        disk = look_at_disk(parts.home.root, min_free_gib=parts.settings.night.min_free_gib)
        whole = {name: own.state for name, own in parts.engine_status().whole_models.items()}
        is_complete = not taken_down and all(state is EngineState.READY for state in whole.values())
        return {
            "status": "ready" if is_complete else "degraded",
            "engine": parts.settings.engine.kind,
            "disk": "low" if disk.is_low else "ok",
            "whole_models": whole,
            "taken_down": [str(name) for name in taken_down],
        }

    @router.get("/metrics")
    async def metrics() -> Response:
        engine = parts.engine_status()
        parts.metrics.set_engine_ready(engine.state is EngineState.READY)
        whole = engine.whole_models.items()
        parts.metrics.set_whole_models_ready({name: own.state is EngineState.READY for name, own in whole})
        parts.metrics.set_training(parts.nights.board.shown)
        return Response(parts.metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
