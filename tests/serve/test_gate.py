"""The door: who gets in, who is known again, and what is not reachable at all."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence, Set

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nightschool.errors import InvalidInput
from serve.crowd import Crowd, Guest, Limits, address_of
from serve.gate import IdentityGate, SignedCookie, visitor_of

LIMITS = Limits(waiting=3, a_minute=10, streams=2)
COOKIE = SignedCookie("ns_id", lambda: "a key of forty characters for the tests.", "/", 3600)


async def say_who(request: Request) -> JSONResponse:
    return JSONResponse({"visitor": visitor_of(request), "bytes": len(await request.body())})


class Queue:
    """A page's queue in which as many wait as the test wants."""

    def __init__(self, *waiters: Guest) -> None:
        self.waiters = list(waiters)
        self.ended: list[str] = []

    def waiting(self) -> Iterator[Guest]:
        yield from self.waiters

    def has_session(self, session: str) -> bool:
        return session == "known"

    def check_event(self, body: bytes) -> None:
        if body == b"odd":
            raise InvalidInput("is odd", subject="event", remedy="Reload the page.")

    async def end_answers(self, session: str) -> None:
        self.ended.append(session)


def gate(
    *,
    login: str | None = None,
    app: ASGIApp | None = None,
    limits: Limits = LIMITS,
    queue: Queue | None = None,
    hosts: Set[str] = frozenset(),
    framed_by: Sequence[str] = (),
) -> IdentityGate:
    queue = queue or Queue()
    inner = app or Starlette(routes=[Route("/{rest:path}", say_who, methods=["GET", "POST"])])
    return IdentityGate(
        inner,
        cookie=COOKIE,
        tell=lambda error, _: error.remedy,
        login=login,
        queue=queue,
        crowd=Crowd(limits, waiting=queue.waiting),
        max_body_bytes=1_000,
        hosts=hosts,
        framed_by=framed_by,
    )


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


@pytest.mark.parametrize("before", ["ns_id=of.another.server", 'a={"b": [1, 2]}', "a b=c", "=", "ns_id", "x=\xe4"])
async def test_cookies_of_the_hosts_other_sites_hide_nobody(client: httpx.AsyncClient, before: str) -> None:
    mine = (await client.get("/")).json()["visitor"]
    own = f"ns_id={client.cookies['ns_id']}"
    client.cookies.clear()
    for cookies in (f"{before}; {own}", f"{own}; {before}"):
        headers = {b"cookie": cookies.encode("latin-1")}
        known = await client.get("/gradio_api/queue/data?session_hash=known", headers=headers)
        assert known.json()["visitor"] == mine


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


async def test_the_sites_that_are_named_may_frame_a_page_and_nobody_else() -> None:
    async with browser(gate(framed_by=["https://shop.example", "https://www.shop.example"])) as client:
        for route in ("/", "/gradio_api/queue/data", "/monitoring"):
            headers = (await client.get(route)).headers
            assert "frame-ancestors https://shop.example https://www.shop.example;" in (
                f"{headers['content-security-policy']};"
            )
            assert "x-frame-options" not in headers


def test_a_cookie_of_a_frame_is_kept_apart_for_each_site() -> None:
    framed = SignedCookie("ns_frame", lambda: "k" * 32, "/widget", 60, is_framed=True)
    for is_secure in (True, False):
        assert framed.header("ada", is_secure=is_secure).endswith("HttpOnly; SameSite=None; Secure; Partitioned")


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
    held = [asyncio.create_task(app(_scope("/gradio_api/heartbeat/a"), _receive, _swallow)) for _ in range(2)]
    await asyncio.sleep(0)
    assert await _status(app, _scope("/gradio_api/heartbeat/a")) == 429
    may_end.set()
    await asyncio.gather(*held)
    assert await _status(app, _scope("/gradio_api/heartbeat/a")) is None


async def test_one_browser_may_wait_for_so_many_answers() -> None:
    queue = Queue()
    async with browser(gate(queue=queue)) as client:
        visitor = (await client.get("/")).json()["visitor"]
        queue.waiters = [Guest(visitor, "elsewhere")] * 3
        refused = await client.post("/gradio_api/queue/join")
        assert (refused.status_code, refused.json()) == (429, {"detail": "Wait for an answer, then try again."})
        assert int(refused.headers["retry-after"]) > 0
        queue.waiters.pop()
        assert (await client.post("/gradio_api/queue/join")).status_code == 200


async def test_many_at_once_cannot_slip_in_before_they_are_counted() -> None:
    may_end = asyncio.Event()

    async def stay(scope: Scope, receive: object, send: object) -> None:
        await may_end.wait()

    app = gate(app=stay)
    held = [asyncio.create_task(_status(app, _scope("/gradio_api/queue/join"))) for _ in range(10)]
    await asyncio.sleep(0.05)
    may_end.set()
    assert sorted(str(status) for status in await asyncio.gather(*held)) == ["429"] * 7 + ["None"] * 3


async def test_fresh_identities_help_an_address_so_far() -> None:
    async with browser(gate(queue=Queue(*(Guest(f"visitor {n}", "127.0.0.1") for n in range(15))))) as client:
        await client.get("/")
        assert (await client.post("/gradio_api/queue/join")).status_code == 429
    async with browser(gate()) as client:
        opened = [(await client.get("/")).status_code for _ in range(51)]
        assert opened == [200] * 50 + [429]


async def test_one_browser_may_ask_so_often_in_a_minute(client: httpx.AsyncClient) -> None:
    await client.get("/")
    asked = [(await client.post("/gradio_api/queue/join")).status_code for _ in range(11)]
    assert asked == [200] * 10 + [429]


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("unix", "unix"),
    ],
)
def test_an_address_is_one_machines_or_one_households(host: str, address: str) -> None:
    assert address_of({"type": "http", "client": (host, 1)}) == address


async def test_what_the_page_cannot_have_asked_is_refused(client: httpx.AsyncClient) -> None:
    await client.get("/")
    refused = await client.post("/gradio_api/queue/join", content=b"odd")
    assert (refused.status_code, refused.json()) == (400, {"detail": "Reload the page."})
    assert (await client.post("/gradio_api/queue/join", content=b"four")).json()["bytes"] == 4


async def test_a_session_of_an_earlier_server_is_told_to_load_anew(client: httpx.AsyncClient) -> None:
    await client.get("/")
    assert '"session_not_found": true' in (await client.get("/gradio_api/queue/data?session_hash=old")).text
    assert (await client.get("/gradio_api/queue/data?session_hash=known")).json()["visitor"]


@pytest.mark.parametrize(("says", "ended"), [([b"word", b""], []), ([b"word"], ["known"]), ([], ["known"])])
async def test_a_stream_that_breaks_off_ends_the_answers_of_its_session(says: list[bytes], ended: list[str]) -> None:
    async def say(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for body in says:
            await send({"type": "http.response.body", "body": body, "more_body": bool(body)})

    queue = Queue()
    scope = {**_scope("/gradio_api/queue/data"), "query_string": b"session_hash=known"}
    await gate(app=say, queue=queue)(scope, _receive, _swallow)
    assert queue.ended == ended


async def test_no_proxy_is_to_hold_a_stream_back(client: httpx.AsyncClient) -> None:
    await client.get("/")
    for route in ("queue/data?session_hash=known", "heartbeat/mine"):
        headers = (await client.get(f"/gradio_api/{route}")).headers
        assert (headers["x-accel-buffering"], headers["cache-control"]) == ("no", "no-cache")


@pytest.mark.parametrize("path", ["/", "/gradio_api/queue/data", "/v1", "/x"])
async def test_a_websocket_is_closed(path: str) -> None:
    sent: list[Message] = []

    async def keep(message: Message) -> None:
        sent.append(message)

    await gate()({**_scope(path), "type": "websocket"}, _receive, keep)
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        {"origin": "http://evil.test"},
        {"origin": "http://nightschool:81"},
        {"origin": "null"},
    ],
)
async def test_another_sites_page_gets_nothing(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await client.get("/")
    for route in ("/config", "/gradio_api/queue/data?session_hash=known", "/gradio_api/info"):
        assert (await client.get(route, headers=headers)).status_code == 403
    assert (await client.post("/gradio_api/queue/join", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "https://nightschool"},
        {"origin": "http://nightschool"},
        # A proxy that changes Host: the browser knows better than a comparison.
        {"sec-fetch-site": "same-origin", "origin": "https://chat.shop.test"},
    ],
)
async def test_the_page_itself_and_what_is_no_browser_pass(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await client.get("/")
    assert (await client.post("/gradio_api/queue/join", headers=headers)).status_code == 200


async def test_a_link_from_another_site_opens_the_page(client: httpx.AsyncClient) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert (await client.get("/", headers=link)).status_code == 200
    assert (await client.get("/", headers={**link, "sec-fetch-mode": "cors"})).status_code == 403


async def test_no_answer_lets_other_sites_read_it() -> None:
    async def open_to_all(request: Request) -> JSONResponse:
        headers = {"access-control-allow-origin": "http://evil.test", "access-control-allow-credentials": "true"}
        return JSONResponse({}, headers=headers)

    async with browser(gate(app=Starlette(routes=[Route("/{rest:path}", open_to_all)]))) as client:
        for route in ("/", "/config", "/assets/a.js"):
            assert not any(name.startswith("access-control") for name in (await client.get(route)).headers)


async def test_only_the_names_it_is_served_under_open_it() -> None:
    async with browser(gate(hosts={"chat.shop.test"})) as client:
        assert (await client.get("/")).status_code == 404
        assert (await client.get("/assets/a.js", headers={"host": "127.0.0.1:7860"})).status_code == 404
        assert (await client.get("/", headers={"host": "Chat.Shop.test:8443"})).status_code == 200


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
