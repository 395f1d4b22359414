"""What the page noticed comes in by its own door, from the person whose chat it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial

import httpx
import pytest
from fastapi import FastAPI

from collect.conversations import conversation_messages
from collect.store import Cursor
from nightschool.records import Message
from serve.api.errors import install_error_handlers
from serve.chat.deeds import deeds_router
from serve.gate import SignedCookie
from serve.parts import Parts

from .test_chat_handlers import ANNA, Troubled, ask, handlers_of

COOKIE = SignedCookie("ns_id", lambda: "a key of forty characters for the tests.", "/", 3600)


@pytest.fixture
async def anna(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """Her browser."""
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(deeds_router(COOKIE, "/deeds", store=parts.store, turns=parts.turns))
    cookie = COOKIE.header("anna", is_secure=False).partition(";")[0]
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://chat", headers={"cookie": cookie}) as client:
        yield client


async def signals(parts: Parts) -> list[tuple[str, str]]:
    def read(cursor: Cursor) -> list[tuple[str, str]]:
        return cursor.execute("select kind, message_id from signals").fetchall()

    return await parts.store.read(read)


async def said_in(parts: Parts, conversation_id: str) -> list[Message]:
    return await parts.store.read(partial(conversation_messages, conversation_id=conversation_id))


async def test_a_copy_is_kept_for_the_answer(parts: Parts, anna: httpx.AsyncClient) -> None:
    place = await ask(handlers_of(parts), ANNA, "Where is it?")
    [_, answer] = place.shown
    told = await anna.post("/deeds", json={"kind": "copy", "of": answer})
    assert (told.status_code, told.content) == (204, b"")
    assert await signals(parts) == [("copy", answer)]


async def test_nobody_says_so_of_anothers_chat(parts: Parts, anna: httpx.AsyncClient) -> None:
    place = await ask(handlers_of(parts), ANNA, "Where is it?")
    body = {"kind": "copy", "of": place.shown[-1]}
    ben = COOKIE.header("ben", is_secure=False).partition(";")[0]
    refused = [
        await anna.post("/deeds", json=body, headers={"cookie": ben}),
        await anna.post("/deeds", json=body, headers={"cookie": "ns_id=forged"}),
        await anna.post("/deeds", json=body, headers={"sec-fetch-site": "cross-site"}),
        await anna.post("/deeds", json={"kind": "abandon", "of": place.conversation_id}, headers={"cookie": ben}),
        await anna.post("/deeds", json={"kind": "down", "of": place.shown[-1]}),
        await anna.post("/deeds", content=b"x" * 2_000),
    ]
    assert [reply.status_code for reply in refused] == [404, 401, 403, 404, 400, 413]
    assert await signals(parts) == []


async def test_a_browser_that_tells_without_end_is_told_to_wait(anna: httpx.AsyncClient) -> None:
    told = [(await anna.post("/deeds", json={"kind": "copy", "of": "x"})).status_code for _ in range(61)]
    assert set(told[:60]) == {404}
    assert told[60] == 429


async def test_a_retry_is_kept_for_the_answer_that_was_not_enough(parts: Parts) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "Where is it?")
    async with aclosing(handlers.retry(place)) as views:
        async for _ in views:
            pass
    assert await signals(parts) == [("retry", place.shown[-1])]


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_who_leaves_is_heard_before_their_answer_has_ended(
    parts: Parts, engine: Troubled, anna: httpx.AsyncClient
) -> None:
    async with aclosing(handlers_of(parts).ask(ANNA, "Where is it?")) as views:
        place = (await anext(views)).conversation_id
        reading = asyncio.ensure_future(anext(views))
        await engine.said.wait()
        telling = asyncio.create_task(anna.post("/deeds", json={"kind": "abandon", "of": place}))
        await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait({reading})
    assert (await telling).status_code == 204
    [_, answer] = await said_in(parts, place)
    assert await signals(parts) == [("abandon", answer.message_id)]
