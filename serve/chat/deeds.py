"""POST /deeds: what the page noticed and asked nobody about: an answer was copied, or left before it was whole.

Does not know how the page notices (`serve.chat.scripts`), nor what a deed counts for (`collect.review_queue`).
"""

from functools import partial
from typing import Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from collect.signals.deeds import keep_deed, keep_leaving
from collect.signals.detect import Kind
from collect.store import Store
from nightschool.errors import NotAuthenticated
from nightschool.records import utc_now
from serve.answering import wait_for_those
from serve.api.bodies import read_body
from serve.gate import SignedCookie
from serve.origin import check_origin
from serve.pace import Pace
from serve.turns import Turns

ADDRESS: Final = "/deeds"
A_MINUTE: Final = 60
MAX_BYTES: Final = 1_000


class Deed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["copy", "abandon"]
    of: str
    """The answer that was copied, or the conversation that was left."""


def deeds_router(cookie: SignedCookie, address: str, *, store: Store, turns: Turns) -> APIRouter:
    router, pace = APIRouter(include_in_schema=False), Pace(A_MINUTE)

    @router.post(address, status_code=204)
    async def note(request: Request) -> Response:
        check_origin(request.headers, is_navigation=False)
        visitor = cookie.read(request.scope)
        if not visitor:
            raise NotAuthenticated("has no identity", subject="request", remedy="Open the chat page first.")
        pace.spend(visitor)
        deed = await read_body(request, Deed, max_bytes=MAX_BYTES)
        owner, at = f"browser:{visitor}", utc_now()
        if deed.kind == "copy":
            await store.write(partial(keep_deed, kind=Kind.COPY, message_id=deed.of, owner=owner, at=at))
        else:
            # Whoever left is heard of before their answer has ended.
            await wait_for_those(turns.running, conversation_id=deed.of)
            await store.write(partial(keep_leaving, conversation_id=deed.of, owner=owner, at=at))
        return Response(status_code=204)

    return router
