"""Votes that a dataset's screens stopped, over HTTP below /ops, and an operator's word that they count."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from collect.quarantine import Quarantined, list_quarantine, release_votes
from nightschool.records import BotName, utc_now
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class ReleaseBody(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    bot: str
    voter: str
    message_id: str | None = None
    """Left out: every stopped vote of that person."""
    reason: str = Field(max_length=2_000)


class Released(BaseModel):
    bot: BotName
    released: int


def add_quarantine(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/quarantine")
    async def look(
        bot: str | None = None, voter: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> list[Quarantined]:
        name = parts.shelf.find(bot).bot_name if bot else None
        return await parts.store.read(partial(list_quarantine, bot=name, voter=voter, limit=limit))

    @router.post("/quarantine/release")
    async def release(request: Request, caller: Caller = Depends(operator)) -> Released:
        body = await read_body(request, ReleaseBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        letting = partial(release_votes, bot=name, voter=body.voter, message_id=body.message_id, reason=body.reason)
        return Released(bot=name, released=await parts.store.write(partial(letting, actor=caller.actor, at=utc_now())))
