"""`nightschool up` from its first word to its last."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
from fastapi import FastAPI

from nightschool.home import Home
from nightschool.settings import Settings
from serve.cli.up import configure, wait_for_engine
from serve.secrets import open_secrets
from serve.vllm.supervisor import EngineState, EngineStatus

BOTS = Path(__file__).parents[3] / "bots"


def test_the_password_is_told_though_nothing_else_is(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # An engine that never answers, so that the start is never done.
    environment = os.environ | {
        "NIGHTSCHOOL_HOME": str(tmp_path / "data"),
        "NIGHTSCHOOL_BOTS": str(BOTS),
        "NIGHTSCHOOL_PORT": str(port),
        "NIGHTSCHOOL_ENGINE__MODEL": "none",
        "NIGHTSCHOOL_ENGINE__URL": "http://127.0.0.1:9",
    }
    command = [sys.executable, "-m", "serve.cli", "up", "--quiet"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr
        line = server.stderr.readline()
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    words = line.split()
    assert "console password:" in line, line
    password = words[words.index("password:") + 1]
    assert open_secrets(Home(tmp_path / "data")).secrets.check_password(password)


async def test_what_keeps_an_engine_from_answering_is_said_once() -> None:
    down, starting = EngineStatus(EngineState.DOWN, "no such host"), EngineStatus(EngineState.STARTING)
    other, ready = EngineStatus(EngineState.DOWN, "wrong key"), EngineStatus(EngineState.READY)
    seen, said = iter([starting, down, down, starting, down, other, other, ready]), list[str]()
    await wait_for_engine(lambda: next(seen), say=said.append, pause_s=0)
    assert said == ["engine: no such host", "engine: wrong key"]


def test_no_client_gives_an_idle_connection_up_in_the_moment_that_we_do() -> None:
    theirs_s = httpx.Limits().keepalive_expiry or 0.0
    assert configure(FastAPI(), Settings()).timeout_keep_alive > 60 > theirs_s
