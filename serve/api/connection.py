"""The caller may leave at any time: notice it, and end what was begun for them.

Starlette looks for a disconnect only while a stream is sent; the wait before the first byte is ours to watch.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from collect.store import LOOK_S, Cursor, Store
from serve.sub_path import UNBUFFERED

T = TypeVar("T")


async def unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. Raises ClientDisconnect once the caller has left; `work` was cancelled and has ended then.

    The request's body must have been read.
    """
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_wait_until_left(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait({working, watching})


async def ask(request: Request, store: Store, question: Callable[[Cursor], T]) -> T:
    """What a long `question` finds in the record; it ends where the caller leaves. Raises ClientDisconnect then."""
    return await unless_left(request, store.read_long(question, deadline_s=LOOK_S))


class EventStream(StreamingResponse):
    """Server-sent events from a generator, which is closed however the sending ends."""

    def __init__(self, events: AsyncGenerator[bytes, None], *, headers: Mapping[str, str]) -> None:
        super().__init__(events, headers={**UNBUFFERED, **headers}, media_type="text/event-stream")
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


async def _wait_until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
