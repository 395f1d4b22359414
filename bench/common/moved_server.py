"""A whole server in this process, with the real engine, that goes by a clock which can be moved.

In the process, since nothing outside of it may set a server's clock: API, page, schedule, trainer, exam, gate and
rollout are those of `nightschool up`, on a port of its own. Does not know what is measured.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import httpx
import uvicorn

from nightschool.folder import hold_folder
from nightschool.prompt import Template
from nightschool.settings import EngineSettings, NightSettings, ServerSettings, Settings
from serve.app import build_app, open_parts
from serve.base_model import probe_base
from serve.cli.up import configure
from serve.parts import Parts
from serve.secrets import open_secrets
from serve.vllm.supervisor import EngineState

LOOK_S = 0.2
NO_LIMIT = 1_000_000
TIMEOUT_S = 600.0


class Site(NamedTuple):
    parts: Parts
    address: str
    operator: httpx.AsyncClient
    """With the operator's key."""
    now: Callable[[], datetime]


@asynccontextmanager
async def open_site(
    folder: Path, *, bots: Path, model: Path, max_adapters: int, now: Callable[[], datetime]
) -> AsyncIterator[Site]:
    """Ready to answer; its data and log lie below `folder`, and stay. One crowd of one machine is let in."""
    port = _free_port()
    settings = Settings(
        home=folder / "data",
        bots=bots,
        server=ServerSettings(port=port, requests_per_minute=NO_LIMIT),
        engine=EngineSettings(model=str(model), max_adapters=max_adapters),
        night=NightSettings(min_free_gib=1),
    )
    home = settings.paths
    logging.basicConfig(level=logging.INFO, filename=folder / "server.log", format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    with hold_folder(home):
        probe = await probe_base(str(model), file=home.probe, logs=home.logs)
        template = Template(probe.control_tokens, probe.takes_system)
        secrets = open_secrets(home).secrets
        opening = open_parts(settings, base_model=str(model), template=template, secrets=secrets, now=now)
        async with opening as parts, served(parts, settings):
            while parts.engine_status().state is not EngineState.READY:  # noqa: ASYNC110 - nothing else tells it
                await asyncio.sleep(LOOK_S)
            address = f"http://127.0.0.1:{port}"
            headers = {"authorization": f"Bearer {home.operator_key.read_text().strip()}"}
            async with httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT_S) as operator:
                yield Site(parts, address, operator, now)


@asynccontextmanager
async def served(parts: Parts, settings: Settings) -> AsyncIterator[None]:
    """The faces on their port for the length of the block."""
    server = uvicorn.Server(configure(build_app(parts), settings))
    server.capture_signals = nullcontext  # type: ignore[method-assign,assignment]  # Ctrl-C is the benchmark's own
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(LOOK_S)
        yield
    finally:
        server.should_exit = server.force_exit = True
        await serving


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
