"""POST /v1/chat/completions, as OpenAI answers it, in one piece or as a stream.

The reply's `id` is the answer's id in the record, and the header `x-nightschool-version` says who answered. Does not
take the turn itself (`serve.turns`), nor decide which version answers (`deploy.rollout`).
"""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from nightschool.engine import Delta
from nightschool.errors import NightschoolError, Unavailable
from serve.api.auth import Caller, require_key
from serve.api.bodies import read_body
from serve.api.connection import EventStream, unless_left
from serve.api.errors import error_body
from serve.api.models import find_model
from serve.api.parameters import ChatBody
from serve.api.replies import DONE, FINISHES, Reply, event
from serve.pace import Pace
from serve.parts import Parts
from serve.turns import Turn

log = logging.getLogger(__name__)

VERSION_HEADER: Final = "x-nightschool-version"


def completions_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    limit = Pace(parts.settings.server.requests_per_minute)

    @router.post("/v1/chat/completions")
    async def complete(request: Request, caller: Caller = Depends(require_key(parts))) -> Response:
        body = await read_body(request, ChatBody, max_bytes=parts.settings.server.max_body_bytes)
        body.check_extras()
        limit.spend(caller.owner)
        turn = await _begin(parts, body, caller)
        version = parts.turns.version_of(turn)
        reply = Reply(turn.answer_id, int(time.time()), body.model, version, _own(parts, turn))
        headers = {VERSION_HEADER: version}
        answer = parts.turns.answer(turn)
        if not body.stream:
            return JSONResponse(await unless_left(request, _whole(answer, reply)), headers=headers)
        # The first piece before the headers: a failure up to here still has a status of its own.
        first = await unless_left(request, anext(answer))
        return EventStream(_events(answer, first, reply, wants_usage=body.wants_usage), headers=headers)

    return router


async def _begin(parts: Parts, body: ChatBody, caller: Caller) -> Turn:
    bot, route = await find_model(parts, body.model, caller)
    turn = await parts.turns.begin_api(
        bot,
        owner=caller.owner,
        messages=[message.to_message() for message in body.messages],
        sampling=body.to_sampling(bot.sampling),
        route=route,
    )
    return await parts.turns.pin(turn)


def _own(parts: Parts, turn: Turn) -> dict[str, object]:
    """What an answer stands on, where its bot shows that and the server may say more than OpenAI does."""
    if parts.settings.server.strict_openai:
        return {}
    if turn.verified:
        return {"verified": True}
    passages = turn.prompt.found.passages
    # A fine-tuned model is no bot of the shelf, and stands on no documents.
    if not passages or not parts.shelf.find(turn.bot).knowledge.show_sources:
        return {}
    sources = [{"document": p.document, "heading": p.heading, "passage_id": p.passage_id} for p in passages]
    return {"sources": sources}


async def _whole(answer: AsyncGenerator[Delta, None], reply: Reply) -> dict[str, object]:
    pieces: list[str] = []
    last = Delta("")
    async with aclosing(answer):
        async for last in answer:
            pieces.append(last.text)
    _refuse_torso(last)
    return reply.completion("".join(pieces), last)


def _refuse_torso(last: Delta) -> None:
    """OpenAI has no word for an answer that was cut off; told as one that ended, it would be taken for whole."""
    if last.finish not in FINISHES:
        raise Unavailable("was stopping and cut the answer off", subject="server", remedy="Ask again in a moment.")


async def _events(
    answer: AsyncGenerator[Delta, None], first: Delta, reply: Reply, *, wants_usage: bool
) -> AsyncGenerator[bytes, None]:
    """OpenAI's stream. An engine that fails in the middle gives an error's event and no [DONE]."""
    async with aclosing(answer):
        yield event(reply.role_chunk())
        delta = first
        try:
            while delta.finish is None:
                yield event(reply.text_chunk(delta.text))
                delta = await anext(answer)
            _refuse_torso(delta)
        except NightschoolError as error:
            log.warning("answer=%s broke off: %s", reply.completion_id, error)
            yield event(error_body(error))
            return
        except Exception as error:
            # Headers are out, so no handler can answer any more: the caller learns it here, the log once.
            log.exception("answer=%s broke off", reply.completion_id)
            yield event(error_body(error))
            return
        yield event(reply.finish_chunk(delta))
        if wants_usage:
            yield event(reply.usage_chunk(delta))
        yield DONE
