"""A real socket with an engine behind it that answers, hangs up and falls silent; nothing of it disturbs the loop.

The engine is a few lines of HTTP, since what is tested is how connections begin and end.
"""

import asyncio
import itertools
import json
import logging
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from nightschool.engine import ChatRequest
from nightschool.errors import EngineError
from nightschool.records import ChatMessage, Sampling
from serve.vllm.client import VllmEngine, connect_engine

HELLO = ChatRequest((ChatMessage(role="user", content="Hello"),), "support@1", Sampling(), "id-1")
WORDS = ("Good ", "day ", "to ", "you.")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def folder() -> Iterator[Path]:
    # A socket's path must be short, which pytest's are not.
    folder = Path(tempfile.mkdtemp(prefix="ns-"))
    yield folder
    shutil.rmtree(folder)


def chunk(text: str, finish: str | None = None) -> bytes:
    choice = {"delta": {"content": text}, "finish_reason": finish}
    event = f"data: {json.dumps({'choices': [choice]})}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(event), event)


async def say_all(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    for word in WORDS:
        writer.write(chunk(word))
        await writer.drain()
        await asyncio.sleep(0)
    writer.write(chunk("", "stop") + b"0\r\n\r\n")
    await writer.drain()


class Played:
    """An engine on a socket. A connection that lies idle for `idle_s` is closed."""

    def __init__(self, answer: Answer = say_all, *, idle_s: float = 60) -> None:
        self.connections = 0
        self._answer = answer
        self._idle_s = idle_s
        self._answering: set[asyncio.Task[None]] = set()
        self._connected: set[asyncio.Task[Any]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if connected := asyncio.current_task():
            self._connected.add(connected)
        answering = asyncio.create_task(self._serve(reader, writer))
        self._answering.add(answering)
        await asyncio.wait({answering})
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()

    async def end(self) -> None:
        # Whoever hung up while connecting is let in first.
        await asyncio.sleep(0.02)
        for task in self._answering:
            task.cancel()
        if self._connected:
            await asyncio.wait(self._connected)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, TimeoutError):
            # A new connection is waited for: on a busy machine its question may take longer than it may lie idle.
            for idle_s in itertools.chain((None,), itertools.repeat(self._idle_s)):
                async with asyncio.timeout(idle_s):
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = head.partition("content-length: ")[2].partition("\r\n")[0]
                await reader.readexactly(int(length or 0))
                await self._answer(writer)


@asynccontextmanager
async def reached(
    played: Played, folder: Path, *, way: str = "unix", timeout_s: float = 20
) -> AsyncIterator[VllmEngine]:
    if way == "unix":
        server = await asyncio.start_unix_server(played.serve, folder / "s")
        connection = connect_engine(socket=folder / "s", timeout_s=timeout_s)
    else:
        server = await asyncio.start_server(played.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        connection = connect_engine(url=f"http://127.0.0.1:{port}", timeout_s=timeout_s)
    async with server:
        async with connection as engine:
            yield engine
        await played.end()


async def ask(engine: VllmEngine, *, leave_after: int | None = None) -> str:
    """What was said, of which `leave_after` pieces are read."""
    said: list[str] = []
    async with aclosing(engine.stream(HELLO)) as answer:
        async for delta in answer:
            said.append(delta.text)
            if len(said) == leave_after:
                break
    return "".join(said)


def of_the_loop(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "asyncio"]


async def test_who_is_cancelled_as_bytes_arrive_leaves_nothing_in_the_log(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    left = asyncio.Event()

    async def wait(writer: asyncio.StreamWriter) -> None:
        writers.put_nowait(writer)
        await left.wait()

    async with reached(Played(wait), folder) as engine:
        asking = asyncio.create_task(ask(engine))
        writer = await writers.get()
        await asyncio.sleep(0.05)
        # In the loop's next turn: the cancelling first, then what the socket has.
        asyncio.get_running_loop().call_soon(asking.cancel)
        writer.write(HEAD)
        await asyncio.wait({asking})
        assert asking.cancelled()
        left.set()
    assert of_the_loop(caplog) == []


@pytest.mark.parametrize("way", ["unix", "tcp"])
async def test_an_engine_that_closes_as_it_is_asked_disturbs_nobody_else(
    folder: Path, way: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle connections end on both sides at the same moment, and a third of those who ask hang up midway."""
    idle_s, dice = 0.01, random.Random(7)
    monkeypatch.setattr("serve.vllm.client.IDLE_S", idle_s)
    caplog.set_level(logging.WARNING, "asyncio")
    slots, ends = asyncio.Semaphore(8), {"whole": 0, "left": 0, "lost": 0}

    async def question(engine: VllmEngine, number: int) -> None:
        async with slots:
            await asyncio.sleep(dice.choice((0, idle_s)))
            asking = asyncio.create_task(ask(engine, leave_after=2 if number % 3 == 0 else None))
            await asyncio.wait({asking})
            if isinstance(asking.exception(), EngineError):
                ends["lost"] += 1
            else:
                ends["whole" if asking.result() == "".join(WORDS) else "left"] += 1

    async with reached(Played(idle_s=idle_s), folder, way=way) as engine:
        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                for number in range(80):
                    tasks.create_task(question(engine, number))
    assert of_the_loop(caplog) == []
    assert sum(ends.values()) == 240
    assert ends["whole"] > 0


async def test_connections_are_used_again_until_the_engine_closes_them(folder: Path) -> None:
    played = Played(idle_s=0.1)
    async with reached(played, folder) as engine:
        assert [await ask(engine) for _ in range(3)] == ["".join(WORDS)] * 3
        assert played.connections == 1
        await asyncio.sleep(0.3)
        assert await ask(engine) == "".join(WORDS)
        assert played.connections == 2


async def test_no_socket_and_silence_are_the_engines_failure(folder: Path) -> None:
    async with connect_engine(socket=folder / "nowhere", timeout_s=5) as engine:
        with pytest.raises(EngineError, match=r"does not answer \(ConnectError\)"):
            await ask(engine)
        with pytest.raises(EngineError, match=r"does not answer \(ConnectError\)"):
            await engine.loaded_adapters()

    async def say_nothing(_: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1)

    async with reached(Played(say_nothing), folder, timeout_s=0.2) as engine:
        with pytest.raises(EngineError, match=r"does not answer \(ReadTimeout\)|took longer"):
            await ask(engine)
        with pytest.raises(EngineError, match=r"does not answer \(ReadTimeout\)"):
            await engine.loaded_adapters()


async def test_an_engine_that_hangs_up_amid_an_answer_is_an_engine_error(folder: Path) -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk("Good "))
        await writer.drain()
        writer.transport.abort()
        raise ConnectionError

    async with reached(Played(hang_up), folder) as engine:
        with pytest.raises(EngineError):
            await ask(engine)


async def test_a_long_prompt_and_a_long_answer_come_whole(folder: Path) -> None:
    words = "word " * 200_000

    async def say_much(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + chunk(words) + chunk("", "stop") + b"0\r\n\r\n")
        await writer.drain()

    request = ChatRequest((ChatMessage(role="user", content=words),), "support@1", Sampling(), "id-1")
    async with reached(Played(say_much), folder) as engine:
        assert "".join([delta.text async for delta in engine.stream(request)]) == words
