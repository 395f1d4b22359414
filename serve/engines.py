"""Which engine answers: the echo, our own vLLM behind a socket, or one that somebody else runs.

Our own has the engines of whole models beside it. Does not know what is asked of it.
"""

from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from deploy.seat import Sitter
from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.prompt import Template
from nightschool.settings import EngineSettings, Settings
from serve.fleet import CheckMemory, Fleet, open_fleet
from serve.seat import EngineSeat, Keeper, OnReady
from serve.vllm.client import connect_engine
from serve.vllm.memory import check_memory
from serve.vllm.own import installed_flavor, launch_whole, own_socket, served_by, served_dtype, supervise
from serve.vllm.supervisor import EngineStatus
from serve.watch import EngineWatch


class Connected(NamedTuple):
    engine: Engine
    seat: EngineSeat | None
    """Of one that is our own to start."""


async def connect_to(settings: Settings, stack: AsyncExitStack, *, base_model: str, template: Template) -> Connected:
    """What it holds is given back with `stack`."""
    wanted = settings.engine
    if wanted.kind == "echo":
        return Connected(EchoEngine(delay_s=0.02), None)
    socket = stack.enter_context(own_socket()) if wanted.url is None else None
    connection = connect_engine(
        socket=socket,
        url=wanted.url,
        api_key=wanted.api_key.get_secret_value() if wanted.api_key else None,
        timeout_s=wanted.request_timeout_s,
        template=template,
        takes_seeds=socket is None or installed_flavor() == "gpu",
    )
    engine = await stack.enter_async_context(connection)
    if socket is None:
        return Connected(engine, None)

    def keep(sitter: Sitter | None, on_ready: OnReady) -> Keeper:
        return supervise(settings, engine, socket, served_by(settings, base_model, sitter), on_ready=on_ready)

    seat = EngineSeat(keep)
    launch = partial(launch_whole, settings, template)
    fleet = open_fleet(engine, seat=seat, launch=launch, check_memory=_memory_of(wanted))
    return Connected(await stack.enter_async_context(fleet), seat)


def _memory_of(settings: EngineSettings) -> CheckMemory:
    return partial(
        check_memory,
        flavor=installed_flavor(),
        number_bytes=4 if served_dtype() == "float32" else 2,
        kv_cache_gib=settings.kv_cache_gib,
        gpu_memory_share=settings.gpu_memory_share,
    )


def is_ours(settings: EngineSettings) -> bool:
    """Whether the server starts its engine, and can give its place to another model."""
    return settings.url is None


def places_for_whole_models(settings: EngineSettings) -> int:
    """None where the engine is not ours to start."""
    return settings.whole_models if is_ours(settings) else 0


def keeper_of(connected: Connected, *, on_ready: OnReady) -> Keeper:
    """Looks after the engine: our own, or one that somebody else runs."""
    engine, seat = connected
    if seat is None or not isinstance(engine, Fleet):
        return EngineWatch(engine, on_ready=on_ready)
    seat.tell_ready(on_ready)
    return _FleetKeeper(seat, engine, on_ready=on_ready)


class _FleetKeeper:
    """Looks after the engine in the one place, and tells how those of whole models beside it stand."""

    def __init__(self, seat: EngineSeat, fleet: Fleet, *, on_ready: OnReady) -> None:
        self._seat = seat
        self._fleet = fleet
        fleet.tell_changes(on_ready)

    @property
    def status(self) -> EngineStatus:
        return replace(self._seat.status, whole_models=self._fleet.whole_models())

    async def run(self) -> None:
        await self._seat.run()
