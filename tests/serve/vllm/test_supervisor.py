"""The engine's process is ended with it and started again; what follows a start may fail without ending it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.echo import EchoEngine
from nightschool.errors import EngineError
from nightschool.leftovers import read_child
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
        socket=tmp_path / "engine.sock",
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


LISTEN = "import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); time.sleep(60)"


class Listening(EchoEngine):
    """Is ready where the process of this start listens."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    async def check_ready(self) -> None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self._path)):
                raise EngineError("does not answer", subject="engine", remedy="")


async def test_one_that_was_killed_listens_where_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short, which pytest's are not
    supervisor = EngineSupervisor(
        Listening(Path("s")),
        command=[sys.executable, "-c", LISTEN, "s"],
        environment={"PYTHONPATH": str(Path(__file__).parents[3])},
        socket=tmp_path / "s",
        log_file=tmp_path / "engine.log",
        start_timeout_s=10,
        on_ready=_nothing,
    )
    task = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.status.state is EngineState.READY)
    pid = read_child(tmp_path / "engine.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await until(lambda: supervisor.status.starts == 2 and supervisor.status.state is not EngineState.STARTING)
    assert supervisor.status.state is EngineState.READY
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _nothing() -> None:
    return None
