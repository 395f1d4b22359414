"""The server below a path, behind proxies that send the path along and proxies that take it off."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from nightschool.errors import InvalidSettings
from nightschool.root_path import OWN
from nightschool.settings import ServerSettings, load_settings
from serve.app import build_app
from serve.gate import API, STATIC
from serve.parts import Parts
from serve.secrets import OpenedSecrets
from serve.sub_path import SubPath

# What Gradio's own threads warn of is not ours to mend.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")]

SITE: Final = "http://shop.example"
AT_THE_ROOT: Final = re.compile(r"""(?:href|src|action)=\\?["']/|url\(\\?["']?/""")
"""An address of the host's root, in HTML or in HTML within JSON."""


def proxied(app: ASGIApp, *, strips: bool) -> ASGIApp:
    """A site that has the server below /support/, and something else beside it."""

    async def pass_on(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/support/"):
            await JSONResponse({"served by": "another"})(scope, receive, send)
            return
        path = scope["path"].removeprefix("/support") if strips else scope["path"]
        await app({**scope, "path": path}, receive, send)

    return pass_on


@pytest.fixture
def server_settings() -> ServerSettings:
    return ServerSettings(requests_per_minute=100_000, root_path="/support/", widget_origins="https://www.shop.example")


@pytest.fixture
async def server(parts: Parts) -> FastAPI:
    return build_app(parts)


def browser_of(app: ASGIApp, *, strips: bool) -> httpx.AsyncClient:
    """Keeps cookies as a browser does, each for its path."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(proxied(app, strips=strips)), base_url=SITE)


def cookie_paths(reply: httpx.Response) -> list[str]:
    return [re.findall("Path=([^;]*)", cookie)[0] for cookie in reply.headers.get_list("set-cookie")]


async def test_the_chat_page_and_all_it_is_made_of_are_below_the_path(server: FastAPI) -> None:
    for strips in (False, True):
        async with browser_of(server, strips=strips) as browser:
            await look_at_the_page(browser)
            await look_by_tls(browser)
            await look_at_the_widget(browser)


async def look_at_the_page(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/support/?bot=support")
    assert (page.status_code, cookie_paths(page)) == (200, ["/support/"])
    assert f'"root":"{SITE}/support"' in page.text
    assert AT_THE_ROOT.findall(page.text) == []
    beside = re.findall(r'(?:href|src)="(\./[^"]+)"', page.text)
    assert len(beside) > 2
    for address in beside:
        assert (await browser.get(f"/support/{address}")).status_code == 200
    config = await browser.get("/support/config")
    assert config.json()["root"] == f"{SITE}/support"
    assert config.json()["username"] == (await browser.get("/support/config")).json()["username"]
    assert AT_THE_ROOT.findall(config.text) == []
    assert (await browser.get("/support/my-data.json")).json()["conversations"] == []


async def look_by_tls(browser: httpx.AsyncClient) -> None:
    headers = {"x-forwarded-proto": "https", "x-forwarded-host": "shop.example"}
    page = await browser.get("/support/", headers=headers)
    assert '"root":"https://shop.example/support"' in page.text
    assert "http://shop.example" not in page.text


async def test_an_operator_signs_in_and_out_below_the_path(server: FastAPI, secrets: OpenedSecrets) -> None:
    for strips in (False, True):
        async with browser_of(server, strips=strips) as browser:
            await sign_in_and_out(browser, secrets.new_password or "")


async def sign_in_and_out(browser: httpx.AsyncClient, password: str) -> None:
    way = await browser.get("/support/console?tab=1", follow_redirects=True)
    assert [str(step.url.path) for step in way.history] == ["/support/console", "/support/console/"]
    assert way.url.path == "/support/console/login"
    assert AT_THE_ROOT.findall(way.text) == []
    [action] = re.findall('action="([^"]+)"', way.text)
    form = {"name": "operator", "password": password}
    signed_in = await browser.post(way.url.join(action), data=form)
    assert signed_in.headers["location"] == "/support/console/"
    assert cookie_paths(signed_in) == ["/support/console", "/support/console/login"]
    console = await browser.get("/support/console/")
    assert console.status_code == 200
    assert f'"root":"{SITE}/support/console"' in console.text
    assert AT_THE_ROOT.findall(console.text) == []
    assert 'action=\\"logout\\"' in console.text
    out = await browser.post("/support/console/logout")
    assert (out.headers["location"], cookie_paths(out)) == ("/support/console/login", ["/support/console"])
    assert (await browser.get("/support/console/")).status_code == 303


@pytest.mark.parametrize("strips", [False, True])
async def test_the_api_answers_and_streams_below_the_path(app: FastAPI, user_key: str, *, strips: bool) -> None:
    async with browser_of(SubPath(app, root_path="/support"), strips=strips) as browser:
        await ask_the_api(browser, user_key)


async def ask_the_api(browser: httpx.AsyncClient, user_key: str) -> None:
    key = {"authorization": f"Bearer {user_key}"}
    models = await browser.get("/support/v1/models", headers=key)
    assert "support" in [model["id"] for model in models.json()["data"]]
    body = {"model": "support", "messages": [{"role": "user", "content": "hello"}], "stream": True}
    answer = await browser.post("/support/v1/chat/completions", headers=key, json=body)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-cache")
    for path in ("healthz", "readyz", "metrics"):
        assert (await browser.get(f"/support/{path}")).status_code == 200
    assert (await browser.get("/support/v1/nothing", headers=key)).json()["error"]["code"] == "not_found"


async def look_at_the_widget(browser: httpx.AsyncClient) -> None:
    assert "widget/" in (await browser.get("/support/widget.js")).text
    assert (await browser.get("/support/widget")).headers["location"] == "/support/widget/"
    frame = await browser.get("/support/widget/")
    assert cookie_paths(frame) == ["/support/widget"]
    assert f'"root":"{SITE}/support/widget"' in frame.text


async def test_the_path_alone_leads_to_what_is_below_it() -> None:
    async def tell(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        await JSONResponse({"path": request.url.path})(scope, receive, send)

    transport = httpx.ASGITransport(SubPath(tell, root_path="/a/b"))
    async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
        assert (await client.get("/a/b?c=1")).headers["location"] == "/a/b/?c=1"
        assert (await client.get("/a/b")).headers["location"] == "/a/b/"
        paths = {path: (await client.get(path)).json()["path"] for path in ("/a/b/", "/", "/a/bc", "/a/b/v1")}
    assert paths == {"/a/b/": "/a/b/", "/": "/a/b/", "/a/bc": "/a/b/a/bc", "/a/b/v1": "/a/b/v1"}


async def test_no_path_is_taken_for_an_address_of_our_own(server: FastAPI) -> None:
    def paths(routes: list[BaseRoute]) -> Iterator[str]:
        for route in routes:
            yield str(getattr(route, "path", ""))

    own = {path.split("/")[1] for path in (*paths(server.routes), *STATIC, API) if path.strip("/")}
    assert own - set(OWN) == set()


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("/support/", "/support"), ("/a/b-c.d", "/a/b-c.d")])
def test_a_path_is_kept_without_its_last_slash(given: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTSCHOOL_SERVER__ROOT_PATH", given)
    assert load_settings().settings.server.root_path == kept


WRONG: Final = ["support", "https://shop.example/support", "/a//b", "/..", "/a?b", "/a b", "/ä", "/v1", "/console/x"]


@pytest.mark.parametrize("given", WRONG)
def test_what_is_no_path_is_refused(given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NIGHTSCHOOL_SERVER__ROOT_PATH", given)
    with pytest.raises(InvalidSettings, match=r"server\.root_path"):
        load_settings()
