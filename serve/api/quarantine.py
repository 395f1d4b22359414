"""Votes that a dataset's screens stopped, over HTTP below /ops, and an operator's word that they count or never do."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from collect.quarantine import Quarantined, list_quarantine, rule_votes
from nightschool.records import BotName, VoteState, utc_now
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.api.connection import ask
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class RulingBody(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    bot: str
    voter: str
    message_id: str | None = None
    """Left out: every stopped vote of that person."""
    reason: str = Field(max_length=2_000)


class Released(BaseModel):
    bot: BotName
    released: int


class KeptOut(BaseModel):
    bot: BotName
    kept_out: int


def add_quarantine(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/quarantine")
    async def look(
        request: Request,
        *,
        bot: str | None = None,
        voter: str | None = None,
        state: VoteState = VoteState.STOPPED,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
        offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    ) -> list[Quarantined]:
        name = parts.shelf.find(bot).bot_name if bot else None
        listing = partial(list_quarantine, bot=name, voter=voter, state=state, limit=limit, offset=offset)
        return await ask(request, parts.store, listing)

    @router.post("/quarantine/release")
    async def release(request: Request, caller: Caller = Depends(operator)) -> Released:
        body = await read_body(request, RulingBody, max_bytes=MAX_BODY_BYTES)
        return Released(bot=BotName(body.bot), released=await rule(body, VoteState.RELEASED, caller))

    @router.post("/quarantine/keep")
    async def keep(request: Request, caller: Caller = Depends(operator)) -> KeptOut:
        body = await read_body(request, RulingBody, max_bytes=MAX_BODY_BYTES)
        return KeptOut(bot=BotName(body.bot), kept_out=await rule(body, VoteState.KEPT, caller))

    async def rule(body: RulingBody, state: VoteState, caller: Caller) -> int:
        name = parts.shelf.find(body.bot).bot_name
        ruling = partial(rule_votes, bot=name, voter=body.voter, message_id=body.message_id, reason=body.reason)
        return await parts.store.write(partial(ruling, state=state, actor=caller.actor, at=utc_now()))
