"""The door: who gets in, who is known again, and what is not reachable at all."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Scope

from serve.gate import IdentityGate, SignedCookie, visitor_of

COOKIE = SignedCookie("ns_id", "a key of forty characters for the tests.", "/", 3600)


async def say_who(request: Request) -> JSONResponse:
    return JSONResponse({"visitor": visitor_of(request), "bytes": len(await request.body())})


def gate(*, login: str | None = None, max_streams: int = 2, app: ASGIApp | None = None) -> IdentityGate:
    inner = app or Starlette(routes=[Route("/{rest:path}", say_who, methods=["GET", "POST"])])
    return IdentityGate(inner, cookie=COOKIE, login=login, max_streams=max_streams, max_body_bytes=1_000)


def browser(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nightschool")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with browser(gate()) as client:
        yield client


async def test_a_newcomer_gets_an_identity_and_keeps_it(client: httpx.AsyncClient) -> None:
    first = await client.get("/")
    assert "HttpOnly" in first.headers["set-cookie"]
    assert "SameSite=Lax" in first.headers["set-cookie"]
    assert (await client.get("/")).json() == first.json()
    assert (await client.post("/gradio_api/queue/join")).json()["visitor"] == first.json()["visitor"]


async def test_two_browsers_are_two_people(client: httpx.AsyncClient) -> None:
    mine = (await client.get("/")).json()["visitor"]
    client.cookies.clear()
    assert (await client.get("/")).json()["visitor"] != mine


@pytest.mark.parametrize("route", ["queue/join", "queue/data", "cancel", "heartbeat/abc", "startup-events"])
async def test_nothing_of_gradio_answers_without_an_identity(client: httpx.AsyncClient, route: str) -> None:
    assert (await client.get(f"/gradio_api/{route}")).status_code == 401


@pytest.mark.parametrize("forged", ["", "somebody", "InNvbWVib2R5Ig.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb"])
async def test_a_forged_identity_is_none(client: httpx.AsyncClient, forged: str) -> None:
    client.cookies.set("ns_id", forged)
    assert (await client.get("/gradio_api/queue/data")).status_code == 401


async def test_an_identity_signed_for_another_cookie_is_none(client: httpx.AsyncClient) -> None:
    other = SignedCookie("ns_console", COOKIE.key, "/", 3600).header("operator", is_secure=False)
    client.cookies.set("ns_id", other.partition("=")[2].partition(";")[0])
    assert (await client.get("/gradio_api/queue/data")).status_code == 401


@pytest.mark.parametrize(
    "route",
    [
        "/gradio_api/upload",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://elsewhere",
        "/gradio_api/run/predict",
        "/gradio_api/call/predict",
        "/gradio_api/heartbeat/a/b",
        "/gradio_api/component_server",
        "/monitoring/summary",
        "/login",
        "/openapi.json",
    ],
)
async def test_what_no_page_needs_is_not_there(client: httpx.AsyncClient, route: str) -> None:
    await client.get("/")
    assert (await client.get(route)).status_code == 404


async def test_assets_need_no_identity(client: httpx.AsyncClient) -> None:
    assert (await client.get("/assets/index.js")).json()["visitor"] is None


async def test_a_large_body_is_refused(client: httpx.AsyncClient) -> None:
    await client.get("/")
    assert (await client.post("/gradio_api/queue/join", content=b"x" * 1_001)).status_code == 413


async def test_every_answer_forbids_other_sites(client: httpx.AsyncClient) -> None:
    for route in ("/", "/assets/a.js", "/gradio_api/queue/data", "/monitoring"):
        headers = (await client.get(route)).headers
        assert "img-src 'self' data: blob:" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"


async def test_with_a_login_nobody_gets_an_identity_by_coming() -> None:
    async with browser(gate(login="/console/login")) as client:
        page = await client.get("/")
        assert (page.status_code, page.headers["location"]) == (303, "/console/login")
        assert (await client.get("/gradio_api/queue/data")).status_code == 401


async def test_one_browser_cannot_hold_every_stream() -> None:
    may_end = asyncio.Event()

    async def stay(scope: Scope, receive: object, send: object) -> None:
        await may_end.wait()

    app = gate(app=stay)
    held = [asyncio.create_task(app(_scope("/gradio_api/queue/data"), _receive, _swallow)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await _status(app, _scope("/gradio_api/queue/data")) == 429
    may_end.set()
    await asyncio.gather(*held)
    assert await _status(app, _scope("/gradio_api/queue/data")) is None


def _scope(path: str) -> Scope:
    cookie = COOKIE.header("somebody", is_secure=False).partition(";")[0]
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "headers": [(b"cookie", cookie.encode())],
    }


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _swallow(message: Message) -> None:
    return None


async def _status(app: ASGIApp, scope: Scope) -> int | None:
    """What a request is answered; None where nothing was sent."""
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await app(scope, _receive, keep)
    return sent[0]["status"] if sent else None
