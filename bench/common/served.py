"""The base model in a vLLM as `make up` starts it, on a port that nobody else has, for a benchmark's length.

Does not know what is asked of it.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from bench.common.installation import free_port
from nightschool.child import run_child
from nightschool.prompt import Template
from nightschool.records import BASE
from nightschool.settings import EngineSettings
from serve.vllm.client import VllmEngine, connect_engine
from serve.vllm.launch import cpu_dtype, engine_command, engine_environment, read_cpu_flags
from tune.model import load_tokenizer, read_control_tokens


class Served(NamedTuple):
    engine: VllmEngine
    url: str
    start_s: float


@asynccontextmanager
async def serve(model: str, folder: Path) -> AsyncIterator[Served]:
    """Ready to answer; its log is `folder`/engine.log."""
    wanted, port = EngineSettings(), free_port()
    command = engine_command(
        Path(sys.executable), model=model, port=port, max_loras=wanted.max_adapters,
        max_lora_rank=wanted.max_lora_rank, served_name=BASE, max_model_len=wanted.max_model_len,
        dtype=cpu_dtype(read_cpu_flags()),
    )  # fmt: skip
    environment = engine_environment(
        os.environ, flavor="cpu", model=model, cores=len(os.sched_getaffinity(0)), kv_cache_gib=wanted.kv_cache_gib,
        plugin=True,
    )  # fmt: skip
    template = Template(read_control_tokens(load_tokenizer(model)))
    url, began = f"http://127.0.0.1:{port}", time.monotonic()
    async with (
        run_child(command, log=folder / "engine.log", environment=environment) as child,
        connect_engine(url=url, timeout_s=wanted.request_timeout_s, takes_seeds=False, template=template) as engine,
    ):
        while not await _listens(port):
            if not child.is_running or time.monotonic() > began + wanted.start_timeout_s:
                raise SystemExit(f"vLLM did not start:\n{child.log_tail(30)}")
            await asyncio.sleep(0.5)
        await engine.check_ready()
        yield Served(engine, url, time.monotonic() - began)


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
