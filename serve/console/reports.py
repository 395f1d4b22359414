"""GET /console/report/{cycle}: the page of a night's exam, for whoever signed in at the console.

The page is a file that runs nothing and fetches nothing, and is sent under a policy that would not let it. Does not
know how it was drawn (`eval.page`).
"""

import asyncio
from functools import partial
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from collect import cycles
from collect.store import Store
from eval.page import HTML, POLICY
from nightschool.errors import NotFound
from nightschool.home import Home
from nightschool.records import BotName
from serve.console.login import HOME, LOGIN
from serve.console.session import SessionCookie
from serve.gate import SECURITY_HEADERS
from serve.secrets import Secrets

PAGES: Final = "report/"
"""Below the console's own address."""
HEADERS: Final = {
    **SECURITY_HEADERS,
    "content-security-policy": f"{POLICY}; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def find_page(home: Home, bot: BotName, cycle_id: str) -> str:
    """Its address from the console; empty where the night left none."""
    return PAGES + cycle_id if _file(home, bot, cycle_id).exists() else ""


def reports_router(secrets: Secrets, *, store: Store, home: Home) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    cookie = SessionCookie(secrets)

    @router.get(HOME + PAGES + "{cycle_id}")
    async def show(cycle_id: str, request: Request) -> Response:
        if not cookie.read(request.scope):
            return RedirectResponse(LOGIN, status_code=303)
        # Looked up, so that a path is made of ids that we gave out and of nothing else.
        cycle = await store.read(partial(cycles.cycle, cycle_id=cycle_id))
        file = _file(home, cycle.bot, cycle.cycle_id)
        if not file.exists():
            raise NotFound("left no page of an exam", subject=cycle_id, remedy="The console's Nights say why.")
        return HTMLResponse(await asyncio.to_thread(file.read_bytes), headers=HEADERS)

    return router


def _file(home: Home, bot: BotName, cycle_id: str) -> Path:
    return home.cycle(bot, cycle_id) / HTML
