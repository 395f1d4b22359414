"""Which engine answers: the echo, our own vLLM behind a socket, or one that somebody else runs.

Our own has the engines of whole models beside it. Does not know what is asked of it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.prompt import Template
from nightschool.settings import EngineSettings, Settings
from serve.fleet import CheckMemory, Fleet, Keeper, open_fleet
from serve.vllm.client import connect_engine
from serve.vllm.memory import check_memory
from serve.vllm.own import installed_flavor, launch_whole, own_socket, served_dtype, supervise
from serve.vllm.supervisor import EngineStatus
from serve.watch import EngineWatch

OnReady = Callable[[], Awaitable[None]]


async def connect_to(settings: Settings, stack: AsyncExitStack, *, template: Template) -> tuple[Engine, Path | None]:
    """The engine, and the socket of one that is our own. What it holds is given back with `stack`."""
    wanted = settings.engine
    if wanted.kind == "echo":
        return EchoEngine(delay_s=0.02), None
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
        return engine, None
    fleet = open_fleet(engine, launch=partial(launch_whole, settings, template), check_memory=_memory_of(wanted))
    return await stack.enter_async_context(fleet), socket


def _memory_of(settings: EngineSettings) -> CheckMemory:
    return partial(
        check_memory,
        flavor=installed_flavor(),
        number_bytes=4 if served_dtype() == "float32" else 2,
        kv_cache_gib=settings.kv_cache_gib,
        gpu_memory_share=settings.gpu_memory_share,
    )


def places_for_whole_models(settings: EngineSettings) -> int:
    """None where the engine is not ours to start."""
    return settings.whole_models if settings.url is None else 0


def keeper_of(settings: Settings, engine: Engine, socket: Path | None, base_model: str, *, on_ready: OnReady) -> Keeper:
    """Looks after the engine: our own behind a socket, or one that somebody else runs."""
    if socket is None:
        return EngineWatch(engine, on_ready=on_ready)
    keeper = supervise(settings, engine, socket, base_model, on_ready=on_ready)
    return _FleetKeeper(keeper, engine, on_ready=on_ready) if isinstance(engine, Fleet) else keeper


class _FleetKeeper:
    """Looks after the base model's engine, and tells how those of whole models stand."""

    def __init__(self, keeper: Keeper, fleet: Fleet, *, on_ready: OnReady) -> None:
        self._keeper = keeper
        self._fleet = fleet
        fleet.tell_changes(on_ready)

    @property
    def status(self) -> EngineStatus:
        return replace(self._keeper.status, whole_models=self._fleet.whole_models())

    async def run(self) -> None:
        await self._keeper.run()
