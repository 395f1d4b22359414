"""Conversations that people handed over, below /ops: which are open, and that somebody has dealt with one."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from collect.escalations import Escalation, finish_escalation, list_escalations
from nightschool.records import utc_now
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class DoneBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(default="", max_length=2_000)


def add_escalations(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/escalations")
    async def look(
        bot: str | None = None, with_done: bool = False, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    ) -> list[dict[str, Any]]:
        name = None if bot is None else parts.shelf.find(bot).bot_name
        found = await parts.store.read(partial(list_escalations, bot=name, with_done=with_done, limit=limit))
        return [_view(escalation) for escalation in found]

    @router.post("/escalations/{escalation_id}/done")
    async def finish(escalation_id: str, request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, DoneBody, max_bytes=MAX_BODY_BYTES)
        done = partial(finish_escalation, escalation_id=escalation_id, reason=body.reason)
        return _view(await parts.store.write(partial(done, actor=caller.actor, at=utc_now())))


def _view(escalation: Escalation) -> dict[str, Any]:
    wish = escalation.wish
    return {
        "escalation": wish.escalation_id,
        "bot": wish.bot,
        "conversation": wish.conversation_id,
        "contact": wish.contact or None,
        "asked_at": wish.asked_at,
        "taken_by": sorted(escalation.taken_by),
        "tries": escalation.tries,
        "problem": escalation.problem,
        "sent_at": escalation.sent_at,
        "done_at": escalation.done_at,
        "done_by": escalation.done_by,
    }
