"""`nightschool up` from its first word to its last."""

import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from nightschool.errors import NotAllowed
from nightschool.home import Home
from nightschool.settings import Settings
from serve.cli.up import configure, wait_for_engine, write_logs_to
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


@pytest.fixture
def _own_logging() -> Iterator[None]:
    """The server's is the whole process's."""
    root, tells = logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], logging.raiseExceptions = handlers, tells
    root.setLevel(level)


@pytest.mark.usefixtures("_own_logging")
def test_a_log_that_finds_no_room_leaves_the_terminal_alone(capfd: pytest.CaptureFixture[str]) -> None:
    write_logs_to(Path("/dev/full"))
    logging.getLogger("serve").error("something is wrong")
    with suppress(OSError):  # what it still holds
        logging.getLogger().handlers[0].close()
    assert capfd.readouterr() == ("", "")


def test_a_log_that_is_somebody_elses_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "server.log").mkdir()  # as little to be written as another user's, and root writes those
    with pytest.raises(NotAllowed, match=r"server.log: cannot be written .*\(chown\)"):
        write_logs_to(tmp_path / "server.log")


async def test_what_keeps_an_engine_from_answering_is_said_once() -> None:
    down, starting = EngineStatus(EngineState.DOWN, "no such host"), EngineStatus(EngineState.STARTING)
    other, ready = EngineStatus(EngineState.DOWN, "wrong key"), EngineStatus(EngineState.READY)
    seen, said = iter([starting, down, down, starting, down, other, other, ready]), list[str]()
    await wait_for_engine(lambda: next(seen), say=said.append, pause_s=0)
    assert said == ["engine: no such host", "engine: wrong key"]


def test_no_client_gives_an_idle_connection_up_in_the_moment_that_we_do() -> None:
    theirs_s = httpx.Limits().keepalive_expiry or 0.0
    assert configure(FastAPI(), Settings()).timeout_keep_alive > 60 > theirs_s
