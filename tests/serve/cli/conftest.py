"""The command line against a real server with the fake engine: `await nightschool("status", "--json")`.

The verbs run in a thread, since the server runs in the test's own loop.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from serve.cli.main import main
from serve.parts import Parts


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Nightschool = Callable[..., Awaitable[Said]]


class Terminal(io.TextIOWrapper):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


def speak(*arguments: str, stdin: bytes = b"", typed: bytes = b"") -> Said:
    """What a verb says and how it ends; `typed` comes from a person, `stdin` from a pipe."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before, sys.stdin = sys.stdin, Terminal(io.BytesIO(typed)) if typed else io.TextIOWrapper(io.BytesIO(stdin))
    code: int | str | None = 0
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main(arguments)
    except SystemExit as leaving:
        code = leaving.code
    finally:
        sys.stdin = before
    said = [stream.buffer.getvalue().decode() for stream in (out, err) if isinstance(stream.buffer, io.BytesIO)]
    return Said(int(code or 0), *said)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of this machine, and an empty folder to stand in."""
    for name in [name for name in os.environ if name.startswith("NIGHTSCHOOL_")]:
        monkeypatch.delenv(name)
    (tmp_path / "standing").mkdir()
    monkeypatch.chdir(tmp_path / "standing")


@pytest.fixture
async def nightschool(parts: Parts, url: str, operator_key: str) -> Nightschool:
    """The command line on the data folder of a running server."""
    parts.home.server_state.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    parts.home.operator_key.write_text(operator_key + "\n")

    async def call(*arguments: str, stdin: bytes = b"", typed: bytes = b"") -> Said:
        return await asyncio.to_thread(speak, "--home", str(parts.home.root), *arguments, stdin=stdin, typed=typed)

    return call


@pytest.fixture
def lonely(tmp_path: Path) -> Callable[..., Said]:
    """The command line on a data folder where no server runs."""

    def call(*arguments: str) -> Said:
        return speak("--home", str(tmp_path / "lonely"), *arguments)

    return call


@pytest.fixture
def bare() -> Callable[..., Said]:
    """The command line with no data folder named before the verb."""
    return speak


def conversation(question: str, answer: str) -> str:
    """A line of OpenAI chat JSONL."""
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": said})
