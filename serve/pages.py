"""Put the two Gradio pages on the server, each behind a gate of its own: the console first, then the chat at the root.

The gates stand around the pages only: the API authorises by key and is not touched.
"""

import os
from typing import Final

import gradio as gr
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from starlette.routing import Mount

from serve.chat.download import download_router
from serve.chat.page import chat_blocks
from serve.console.login import login_router
from serve.console.page import console_blocks
from serve.console.reports import reports_router
from serve.console.session import SessionCookie
from serve.crowd import Limits
from serve.gate import Cookie, IdentityGate, SignedCookie, visitor_of
from serve.page_queue import PageQueue
from serve.page_schemas import describe_each_kind_once
from serve.parts import Parts
from serve.theme import PAGES, make_theme

BROWSER_COOKIE: Final = "ns_id"
BROWSER_COOKIE_S: Final = 400 * 24 * 3600
"""Chromium's longest life of a cookie; renewed at each visit."""
CONSOLE: Final = "/console"


def mount_pages(app: FastAPI, parts: Parts) -> FastAPI:
    """`app` with both pages. Call once, after every other route: the chat takes all that is left."""
    # Read by Gradio when a page is built; no page of ours calls home.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    describe_each_kind_once()
    browser = SignedCookie(BROWSER_COOKIE, lambda: parts.secrets.cookie_key, "/", BROWSER_COOKIE_S)
    app.include_router(download_router(browser, store=parts.store))
    app.include_router(login_router(parts.secrets, store=parts.store))
    app.include_router(reports_router(parts.secrets, store=parts.store, home=parts.home))

    @app.get(CONSOLE, include_in_schema=False)
    async def to_console() -> RedirectResponse:
        return RedirectResponse(f"{CONSOLE}/", status_code=307)

    console, chat = console_blocks(parts), chat_blocks(parts)
    _mount(app, console, path=CONSOLE, page="console")
    _guard(app, console, cookie=SessionCookie(parts.secrets), login=f"{CONSOLE}/login", parts=parts)
    _mount(app, chat, path="/", page="chat")
    _guard(app, chat, cookie=browser, login=None, parts=parts)
    return app


def _mount(app: FastAPI, blocks: gr.Blocks, *, path: str, page: str) -> None:
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


def _guard(app: FastAPI, blocks: gr.Blocks, *, cookie: Cookie, login: str | None, parts: Parts) -> None:
    """Put a gate around the page that was mounted last."""
    route = app.router.routes[-1]
    if not isinstance(route, Mount):
        raise TypeError(f"{route} is no mounted page")
    server = parts.settings.server
    route.app = IdentityGate(
        route.app,
        cookie=cookie,
        login=login,
        queue=PageQueue(blocks),
        # Four events to an answer: the answer, the page after it, a thumb and why.
        limits=Limits(a_minute=4 * server.requests_per_minute),
        max_body_bytes=server.max_body_bytes,
        hosts=frozenset(server.hosts.lower().replace(",", " ").split()),
    )
