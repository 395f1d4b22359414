"""POST /v1/feedback, GET and DELETE /v1/feedback/{completion_id}: what a caller thinks of an answer they asked for.

A vote is acknowledged once it is durable (`serve.votes`). Whoever cast it is told what became of it (`deploy.fates`). A
vote that is sent again under its `Idempotency-Key` does not undo what was said in between (`serve.api.repeats`).
"""

from functools import partial
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from collect import conversations
from deploy.fates import Fates, State
from nightschool.records import AdapterName, Feedback, Vote
from serve.api.auth import Caller, require_key
from serve.api.bodies import read_body
from serve.api.repeats import Repeats, hash_body, in_one_piece, read_key
from serve.parts import Parts
from serve.votes import Opinion


class FeedbackBody(BaseModel):
    """What is left out stays as it was said before, unless the vote turns into another one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    completion_id: str
    """The `id` of a completion."""
    vote: Vote | None = None
    """`none` takes a vote back."""
    reasons: tuple[str, ...] | None = None
    comment: str | None = None
    ideal_answer: str | None = None
    """What should have been answered; a night trains on it once an operator has taken it up."""


class FeedbackRow(BaseModel):
    """The row as it is stored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    completion_id: str
    bot: str
    version: str
    """Who answered: `support@3` or `support@base`."""
    vote: Vote
    reasons: tuple[str, ...]
    comment: str
    ideal_answer: str
    voted_at: AwareDatetime


class Became(BaseModel):
    """What became of the opinion since."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    state: State
    """`waiting`, `learnt`, `held-out`, `left-out`, `taken-back`, or `unknown` where it is not kept any more."""
    why: str
    version: str | None
    """The first that learnt it, or whose exam it is kept for: `support@7`."""
    dataset: str | None
    """The hash of the dataset it is in."""


class FollowedRow(FeedbackRow):
    """The row as it is stored, and what became of it."""

    became: Became


TAKEN_BACK: Final = Opinion(Vote.NONE, (), "", "")


def feedback_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    repeats = Repeats()
    authorise = require_key(parts)
    fates = Fates(parts.store, parts.home)

    @router.post("/v1/feedback", response_model=FeedbackRow)
    async def vote(request: Request, caller: Caller = Depends(authorise)) -> Response:
        body = await read_body(request, FeedbackBody, max_bytes=parts.settings.server.max_body_bytes)
        key, cast = read_key(request.headers), partial(_cast, parts, body, caller)
        if key is None:
            return Response(await cast(), media_type="application/json")
        kept = repeats.once(caller.owner, key, fingerprint=hash_body(body), make=in_one_piece(cast))
        return Response(await kept.whole(), media_type="application/json")

    @router.delete("/v1/feedback/{completion_id:path}")
    async def take_back(completion_id: str, caller: Caller = Depends(authorise)) -> FeedbackRow:
        await parts.votes.read(completion_id, owner=caller.owner, is_operator=caller.is_operator)
        stored = await parts.votes.cast(completion_id, TAKEN_BACK, owner=caller.owner, is_operator=caller.is_operator)
        return await _row(parts, stored)

    @router.get("/v1/feedback/{completion_id:path}")
    async def show(completion_id: str, caller: Caller = Depends(authorise)) -> FollowedRow:
        stored = await parts.votes.read(completion_id, owner=caller.owner, is_operator=caller.is_operator)
        fate = await fates.find(stored)
        became = Became(
            state=fate.state,
            why=fate.why,
            version=str(fate.adapter.name) if fate.adapter else None,
            dataset=fate.adapter.dataset_hash if fate.adapter else None,
        )
        return FollowedRow(**(await _row(parts, stored)).model_dump(), became=became)

    return router


async def _cast(parts: Parts, body: FeedbackBody, caller: Caller) -> bytes:
    opinion = Opinion(body.vote, body.reasons, body.comment, body.ideal_answer)
    stored = await parts.votes.cast(body.completion_id, opinion, owner=caller.owner, is_operator=caller.is_operator)
    return (await _row(parts, stored)).model_dump_json().encode()


async def _row(parts: Parts, stored: Feedback) -> FeedbackRow:
    answer = await parts.store.read(partial(conversations.message, bot=None, message_id=stored.message_id))
    return FeedbackRow(
        completion_id=stored.message_id,
        bot=stored.bot,
        version=str(AdapterName(stored.bot, answer.version)),
        vote=stored.vote,
        reasons=stored.reasons,
        comment=stored.comment,
        ideal_answer=stored.ideal_answer,
        voted_at=stored.voted_at,
    )
