"""GET /my-data.json: all that the record holds of the browser's own chats, as a file. Does not know the page."""

import json
from functools import partial
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from collect.own_data import own_data
from collect.store import Store
from nightschool.errors import NotAuthenticated
from serve.gate import SECURITY_HEADERS, SignedCookie
from serve.pace import Pace

ADDRESS: Final = "/my-data.json"
A_MINUTE: Final = 10
HEADERS: Final = {
    **SECURITY_HEADERS,
    "cache-control": "no-store",
    "content-disposition": 'attachment; filename="my-chats.json"',
}


def download_router(cookie: SignedCookie, address: str, *, store: Store) -> APIRouter:
    router, pace = APIRouter(include_in_schema=False), Pace(A_MINUTE)

    @router.get(address)
    async def download(request: Request) -> Response:
        visitor = cookie.read(request.scope)
        if not visitor:
            raise NotAuthenticated("has no identity", subject="request", remedy="Open the chat page first.")
        pace.spend(visitor)
        found = await store.read(partial(own_data, owner=f"browser:{visitor}"))
        text = json.dumps(found, ensure_ascii=False, indent=1)
        return Response(text, media_type="application/json", headers=HEADERS)

    return router
