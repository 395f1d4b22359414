import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from collect.store import LONG_READERS
from serve.api.connection import EventStream, ask, unless_left
from serve.parts import Parts


class Listener:
    """A caller that reads the headers and `patience` pieces; its connection is lost then."""

    def __init__(self, patience: int) -> None:
        self.read: list[bytes] = []
        self._patience = patience

    async def receive(self) -> MutableMapping[str, Any]:
        if self._patience:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if len(self.read) > self._patience:
            raise OSError("connection lost")
        self.read.append(message.get("body", b""))


def scope(spec_version: str) -> dict[str, Any]:
    return {"type": "http", "asgi": {"spec_version": spec_version}, "headers": []}


@pytest.mark.parametrize("spec_version", ["2.3", "2.4"])
async def test_a_stream_that_cannot_be_sent_closes_its_source(spec_version: str) -> None:
    closed = []

    async def events() -> AsyncGenerator[bytes, None]:
        try:
            for _ in range(5):
                yield b"data: 1\n\n"
        finally:
            closed.append(True)

    listener = Listener(patience=2)
    stream = EventStream(events(), headers={"x-version": "1"})
    with pytest.raises((ClientDisconnect, OSError)):
        await stream(scope(spec_version), listener.receive, listener.send)
    assert closed == [True]
    assert listener.read == [b"", b"data: 1\n\n", b"data: 1\n\n"]


async def test_work_ends_with_its_caller() -> None:
    ended = []

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return "never"

    listener = Listener(patience=0)
    with pytest.raises(ClientDisconnect):
        await unless_left(Request(scope("2.3"), listener.receive), work())
    assert ended == [True]


async def test_a_question_to_the_record_ends_with_its_caller(parts: Parts) -> None:
    endless = "select count(*) from range(1_000_000_000) as a, range(1_000_000) as b where a.range + b.range < 0"
    async with asyncio.timeout(20):
        for _ in range(LONG_READERS):
            asked = Request(scope("2.3"), Listener(patience=0).receive)
            with pytest.raises(ClientDisconnect):
                await ask(asked, parts.store, lambda cursor: cursor.execute(endless).fetchall())
        assert await parts.store.read_long(lambda cursor: cursor.execute("select 1").fetchone()) == (1,)


async def test_while_the_caller_stays_work_gives_what_it_gives() -> None:
    async def work() -> str:
        return "done"

    async def fail() -> str:
        raise LookupError

    request = Request(scope("2.3"), Listener(patience=1).receive)
    assert await unless_left(request, work()) == "done"
    with pytest.raises(LookupError):
        await unless_left(request, fail())
