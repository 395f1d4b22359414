"""Callers' jobs as an operator sees them, below /ops: the queue of the trainer, and models that a bot takes over."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from deploy.adopt import adopt
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.job_queue import QueueRow, read_queue
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class AdoptBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    model: str
    bot: str
    reason: str = Field(default="", max_length=2_000)


def add_jobs(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/jobs")
    async def queue() -> list[QueueRow]:
        return await read_queue(parts)

    @router.post("/adopt")
    async def adopt_model(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, AdoptBody, max_bytes=MAX_BODY_BYTES)
        bot = parts.shelf.find(body.bot).bot_name
        source = await parts.tuned.adapter_of(await parts.tuned.find(body.model, owner=None))
        candidate = await adopt(
            parts.store, parts.rollout, parts.home, source, bot=bot, actor=caller.actor, reason=body.reason
        )
        return {"bot": bot, "candidate": str(candidate.name), "stage": candidate.stage, "model": body.model}
