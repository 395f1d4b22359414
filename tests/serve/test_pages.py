"""The pages behind their gates, asked as a browser's scripts ask: by Gradio's own protocol."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from serve.pages import mount_pages
from serve.parts import Parts

from .conftest import TroubledEngine

# What Gradio's own threads warn of is not ours to mend.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")]

JOIN = "/gradio_api/queue/join"


@pytest.fixture
async def browser(app: FastAPI, parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """Has opened the page, on a real server: Gradio's queue starts with its lifespan."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(mount_pages(app, parts), log_config=None, access_log=False, ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with httpx.AsyncClient(base_url=address, timeout=60) as browser:
            assert (await browser.get("/")).status_code == 200
            yield browser
        server.should_exit = server.force_exit = True
        await serving


async def event(browser: httpx.AsyncClient, name: str, *data: Any) -> dict[str, Any]:
    """What the page sends when the event of that name happens."""
    events = (await browser.get("/config")).json()["dependencies"]
    index = next(event["id"] for event in events if event["api_name"] == name)
    return {"fn_index": index, "data": list(data), "event_data": None, "session_hash": "mine", "trigger_id": 1}


async def test_an_answer_streams_into_the_chatbot_by_plain_values(browser: httpx.AsyncClient) -> None:
    joined = await browser.post(
        JOIN, json=await event(browser, "_ask", "support", "", "", "Where <b>is</b> it?", "", "", False)
    )
    assert joined.status_code == 200
    told = (await browser.get("/gradio_api/queue/data?session_hash=mine")).text
    messages = [json.loads(line.removeprefix("data: ")) for line in told.splitlines() if line]
    chat, conversation_id, trouble = messages[-2]["output"]["data"]
    assert [said["role"] for said in chat] == ["user", "assistant"]
    assert "Where &lt;b&gt;is&lt;/b&gt; it?" in chat[0]["content"][0]["text"]
    assert len(conversation_id) > 10
    assert trouble == ""


@pytest.mark.parametrize("engine", ["dead"], indirect=True)
async def test_a_failure_is_told_as_a_value(browser: httpx.AsyncClient) -> None:
    await browser.post(JOIN, json=await event(browser, "_ask", "support", "", "", "hello", "", "", False))
    told = (await browser.get("/gradio_api/queue/data?session_hash=mine")).text
    assert "The answer failed. Try again." in told
    assert '"success": false' not in told.replace(":false", ": false")
    assert "ran out of memory" not in told


async def test_what_the_page_cannot_have_asked_is_no_fault_of_the_server(browser: httpx.AsyncClient) -> None:
    asked = await event(browser, "_ask", "support", "", "", "hello", "", "", False)
    odd: list[dict[str, Any]] = [
        {**asked, "fn_index": 999}, {**asked, "fn_index": "0"}, {**asked, "data": []}, {**asked, "data": None},
        {**asked, "session_hash": None}, {},
    ]  # fmt: skip
    for body in odd:
        assert (await browser.post(JOIN, json=body)).status_code == 400
    for raw in (b"", b"[", b"[]", b"\xff"):
        assert (await browser.post(JOIN, content=raw)).status_code == 400


async def test_a_session_that_is_not_there_breaks_no_stream(browser: httpx.AsyncClient) -> None:
    told = await browser.get("/gradio_api/queue/data?session_hash=x")
    assert (told.status_code, "session_not_found" in told.text) == (200, True)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_browser_that_asks_without_listening_is_stopped(browser: httpx.AsyncClient) -> None:
    asked = await event(browser, "_ask", "support", "", "", "hello", "", "", False)
    joined = [(await browser.post(JOIN, json={**asked, "session_hash": f"s{n}"})).status_code for n in range(9)]
    assert joined == [200] * 6 + [429] * 3


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_who_leaves_while_the_engine_says_nothing_frees_it_and_reads_what_was_said(
    browser: httpx.AsyncClient, engine: TroubledEngine
) -> None:
    await browser.post(JOIN, json=await event(browser, "_ask", "support", "", "", "hello", "", "", False))
    conversation_id = ""
    async with browser.stream("GET", "/gradio_api/queue/data?session_hash=mine") as told:
        async for line in told.aiter_lines():
            if "process_generating" in line:
                conversation_id = conversation_id or json.loads(line.removeprefix("data: "))["output"]["data"][1]
            if conversation_id and engine.said.is_set():
                break
    opened = {**await event(browser, "_open", "support", conversation_id, ""), "session_hash": "anew"}
    await browser.post(JOIN, json=opened)
    async with asyncio.timeout(5):
        shown = (await browser.get("/gradio_api/queue/data?session_hash=anew")).text
    assert engine.is_closed
    assert "hello" in shown
    assert "one two" in shown


async def test_a_page_from_before_a_restart_opens_its_conversations(browser: httpx.AsyncClient) -> None:
    """The server that was started anew has no list of choices for this session."""
    await browser.post(JOIN, json=await event(browser, "_ask", "support", "", "", "hello", "", "", False))
    told = (await browser.get("/gradio_api/queue/data?session_hash=mine")).text
    conversation_id = json.loads(told.split("data: ")[-2])["output"]["data"][1]
    opened = {**await event(browser, "_open_other", "support", conversation_id), "session_hash": "from before"}
    await browser.post(JOIN, json=opened)
    told = (await browser.get("/gradio_api/queue/data", params={"session_hash": "from before"})).text
    assert "[echo base] hello" in told
    assert "not in the list of choices" not in told


async def test_no_other_site_reads_what_a_page_is_made_of(browser: httpx.AsyncClient) -> None:
    told = await browser.get("/config", headers={"origin": "http://blog.shop.test"})
    assert told.status_code == 403
    assert not any(name.startswith("access-control") for name in (await browser.get("/config")).headers)
