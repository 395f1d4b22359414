"""Put the two Gradio pages on the server, each behind a gate of its own: the console first, then the chat at the root.

The chat has a second gate for other sites' frames (`serve.widget`). The gates stand around the pages only: the API
authorises by key and is not touched.
"""

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Scope

from nightschool.errors import NightschoolError
from serve.chat.deeds import ADDRESS as DEEDS
from serve.chat.deeds import deeds_router
from serve.chat.download import ADDRESS, download_router
from serve.chat.page import chat_blocks
from serve.chat.trouble import plain_at_the_gate
from serve.console.login import login_router
from serve.console.page import console_blocks
from serve.console.reports import reports_router
from serve.console.session import SessionCookie
from serve.crowd import Crowd, Limits
from serve.gate import Cookie, IdentityGate, SignedCookie, Tell, visitor_of
from serve.page_apps import make_apps_where_mounted
from serve.page_language import speak_the_pages_language
from serve.page_queue import PageQueue
from serve.page_schemas import describe_each_kind_once
from serve.parts import Parts
from serve.spoken import SpokenPage, build_each, words_for
from serve.theme import PAGES, make_theme
from serve.widget import FRAME, widget_router

BROWSER_COOKIE: Final = "ns_id"
FRAME_COOKIE: Final = "ns_frame"
BROWSER_COOKIE_S: Final = 400 * 24 * 3600
"""Chromium's longest life of a cookie; renewed at each visit."""
CONSOLE: Final = "/console"


def mount_pages(app: FastAPI, parts: Parts) -> FastAPI:
    """`app` with both pages. Call once, after every other route: the chat takes all that is left."""
    # Read by Gradio when a page is built; no page of ours calls home.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    describe_each_kind_once()
    make_apps_where_mounted()
    speak_the_pages_language()
    app.include_router(login_router(parts.secrets, store=parts.store))
    app.include_router(reports_router(parts.secrets, store=parts.store, home=parts.home))

    @app.get(CONSOLE, include_in_schema=False)
    async def to_console() -> RedirectResponse:
        return RedirectResponse(f"{CONSOLE}/", status_code=307)

    _mount_console(app, parts)
    _mount_chat(app, parts)
    return app


def _mount_console(app: FastAPI, parts: Parts) -> None:
    blocks = console_blocks(parts)
    mounted, queue = _mount(app, blocks, path=CONSOLE, page="console"), PageQueue(blocks)
    cookie = SessionCookie(parts.secrets)
    crowd, login = _crowd(queue, parts), f"{CONSOLE}/login"
    mounted.app = _gate(mounted.app, queue, crowd, parts, cookie=cookie, tell=_tell_operator, login=login)


def _mount_chat(app: FastAPI, parts: Parts) -> None:
    """At the root for those who come to it, and below `FRAME` for the sites that may frame it."""
    cookie_of = partial(SignedCookie, key=lambda: parts.secrets.cookie_key, max_age_s=BROWSER_COOKIE_S)
    own = cookie_of(BROWSER_COOKIE, path="/")
    framed = cookie_of(FRAME_COOKIE, path=FRAME, is_framed=True)
    origins = parts.settings.server.widget_origins.split()
    app.include_router(download_router(own, ADDRESS, store=parts.store))
    app.include_router(deeds_router(own, DEEDS, store=parts.store, turns=parts.turns))
    if origins:
        app.include_router(widget_router(origins))
        app.include_router(download_router(framed, FRAME + ADDRESS, store=parts.store))
        app.include_router(deeds_router(framed, FRAME + DEEDS, store=parts.store, turns=parts.turns))
    mounted, queue, page = _mount_each(app, build_each(partial(chat_blocks, parts)))
    # One crowd: whoever fills a frame has no second helping at the root.
    crowd = _crowd(queue, parts)
    mounted.app = _gate(page, queue, crowd, parts, cookie=own, tell=_tell_visitor)
    if origins:
        gate = _gate(page, queue, crowd, parts, cookie=framed, tell=_tell_visitor, framed_by=origins)
        app.router.routes.insert(-1, Mount(FRAME, app=gate))


def _mount_each(app: FastAPI, built: Mapping[str, gr.Blocks]) -> tuple[Mount, PageQueue, SpokenPage]:
    """The first language's page on `app`, and the others behind it, where only their texts are asked for."""
    first = next(iter(built))
    mounts = {
        code: _mount(app if code == first else FastAPI(), blocks, path="/", page="chat")
        for code, blocks in built.items()
    }
    spoken = SpokenPage({code: mount.app for code, mount in mounts.items()})
    return mounts[first], PageQueue(built[first]), spoken


def _tell_operator(error: NightschoolError, _: Scope) -> str:
    return error.remedy


def _tell_visitor(error: NightschoolError, scope: Scope) -> str:
    return plain_at_the_gate(error, words_for(scope))


def _mount(app: FastAPI, blocks: gr.Blocks, *, path: str, page: str) -> Mount:
    gr.mount_gradio_app(
        app,
        blocks,
        path=path,
        auth_dependency=visitor_of,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
        ssr_mode=False,
        show_error=False,
        max_file_size=1,
        theme=make_theme(),
        css_paths=[PAGES / "style.css", PAGES / page / "style.css"],
    )
    route = app.router.routes[-1]
    if not isinstance(route, Mount):
        raise TypeError(f"{route} is no mounted page")
    return route


def _crowd(queue: PageQueue, parts: Parts) -> Crowd:
    # Four events to an answer: the answer, the page after it, a thumb and why.
    return Crowd(Limits(a_minute=4 * parts.settings.server.requests_per_minute), waiting=queue.waiting)


def _gate(
    page: ASGIApp,
    queue: PageQueue,
    crowd: Crowd,
    parts: Parts,
    *,
    cookie: Cookie,
    tell: Tell,
    login: str | None = None,
    framed_by: Sequence[str] = (),
) -> IdentityGate:
    server = parts.settings.server
    return IdentityGate(
        page,
        cookie=cookie,
        tell=tell,
        login=login,
        queue=queue,
        crowd=crowd,
        max_body_bytes=server.max_body_bytes,
        hosts=frozenset(server.hosts.lower().replace(",", " ").split()),
        framed_by=framed_by,
    )
