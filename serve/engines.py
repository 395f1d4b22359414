"""Which engine answers: the echo, our own vLLM behind a socket, or one that somebody else runs.

Does not know what is asked of it.
"""

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.prompt import Template
from nightschool.settings import EngineSettings, Settings
from serve.vllm.client import connect_engine
from serve.vllm.own import installed_flavor, supervise
from serve.vllm.supervisor import EngineSupervisor
from serve.watch import EngineWatch


async def connect_to(
    settings: EngineSettings, stack: AsyncExitStack, *, template: Template
) -> tuple[Engine, Path | None]:
    """The engine, and the socket of one that is our own. What it holds is given back with `stack`."""
    if settings.kind == "echo":
        return EchoEngine(delay_s=0.02), None
    # A socket's path may have 107 bytes, which a data folder deep in a tree exceeds; and no port is open to others.
    socket = None
    if settings.url is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nightschool-")))
        socket = folder / "engine.sock"
    key = settings.api_key.get_secret_value() if settings.api_key else None
    connection = connect_engine(
        socket=socket,
        url=settings.url,
        api_key=key,
        timeout_s=settings.request_timeout_s,
        template=template,
        takes_seeds=socket is None or installed_flavor() == "gpu",
    )
    return await stack.enter_async_context(connection), socket


def keeper_of(
    settings: Settings, engine: Engine, socket: Path | None, base_model: str, *, on_ready: Callable[[], Awaitable[None]]
) -> EngineWatch | EngineSupervisor:
    """Looks after the engine: our own behind a socket, or one that somebody else runs."""
    if socket is None:
        return EngineWatch(engine, on_ready=on_ready)
    return supervise(settings, engine, socket, base_model, on_ready=on_ready)
