"""The engine's process is ended with it and started again; what follows a start may fail without ending it."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.echo import EchoEngine
from serve.vllm.supervisor import EngineState, EngineSupervisor


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not claim():
            await asyncio.sleep(0.01)


async def test_a_sound_engine_outlives_a_failure_of_what_follows_its_start(
    tmp_path: Path,
) -> None:
    tries: list[int] = []

    async def on_ready() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise KeyError("usage")

    supervisor = EngineSupervisor(
        EchoEngine(),
        command=[sys.executable, "-c", "import time; time.sleep(60)"],
        environment={},
        log_file=tmp_path / "engine.log",
        start_timeout_s=10,
        on_ready=on_ready,
        welcome_pause_s=0.01,
    )
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.status.state is EngineState.READY)
    assert (len(tries), supervisor.status.starts) == (3, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
