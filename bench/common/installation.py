"""An installation of its own for a benchmark: a real server process on a folder and a port that nobody else has.

Does not know what is measured, nor which engine answers.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

CHATTING: Final = """
name = "support"
title = "Fern"
system_prompt = "You are Fern."
[sampling]
max_tokens = 1000
[schedule]
enabled = false
"""
"""A bot that is talked to and has no nights."""


class Installation:
    """A server of its own with one bot, and its verbs. `settings` are further variables of its environment."""

    def __init__(self, folder: Path, *, bot: str, settings: Mapping[str, str] | None = None) -> None:
        port = free_port()
        self.home = folder / "data"
        self.address = f"http://127.0.0.1:{port}"
        self.log = folder / "server.log"
        (folder / "bots").mkdir()
        (folder / "bots" / "support.toml").write_text(bot)
        self.environment = {
            **os.environ,
            "NIGHTSCHOOL_HOME": str(self.home),
            "NIGHTSCHOOL_PORT": str(port),
            "NIGHTSCHOOL_BOTS": str(folder / "bots"),
            **(settings or {}),
        }

    @contextmanager
    def running(self, *, start_timeout_s: float) -> Iterator[int]:
        """The id of its process, ready to answer; ended again behind the block."""
        command = [sys.executable, "-m", "serve.cli", "up", "--quiet"]
        with (
            self.log.open("wb") as output,
            subprocess.Popen(command, env=self.environment, stdout=output, stderr=output) as process,
        ):
            try:
                self._wait_until_ready(process, timeout_s=start_timeout_s)
                yield process.pid
            finally:
                process.send_signal(signal.SIGTERM)

    def operator_key(self) -> str:
        return (self.home / "operator.key").read_text().strip()

    def _wait_until_ready(self, process: subprocess.Popen[bytes], *, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if httpx.get(f"{self.address}/readyz").is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise SystemExit(f"the server did not start:\n{self.log.read_text()}")

    def tell(self, *arguments: str, timeout_s: float) -> Any:
        """The JSON that a verb prints; its progress goes on to the terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "serve.cli", *arguments, "--json"],
            env=self.environment, stdout=subprocess.PIPE, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"nightschool {' '.join(arguments)} ended with {done.returncode}")
        return json.loads(done.stdout)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
