"""POST /v1/chat/completions, as OpenAI answers it, in one piece or as a stream.

The reply's `id` is the answer's id in the record; headers say who answered (`x-nightschool-version`) and in which
conversation that stands (`x-nightschool-conversation`). With an `Idempotency-Key` the same request again gets the same
answer (`serve.api.repeats`). Does not take the turn itself (`serve.turns`), nor decide which version answers
(`deploy.rollout`).
"""

import logging
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from nightschool.engine import Delta, Wishes
from nightschool.errors import NightschoolError, Unavailable
from nightschool.owners import person_behind
from serve.api.auth import Caller, require_key
from serve.api.bodies import read_body
from serve.api.chat_clients import ToldByClient, read_client
from serve.api.connection import EventStream, unless_left
from serve.api.errors import error_body
from serve.api.faults import BadParameter
from serve.api.models import find_model
from serve.api.parameters import ChatBody
from serve.api.repeats import Made, Repeats, hash_body, joined, read_key
from serve.api.replies import DONE, FINISHES, Reply, event
from serve.api.tool_body import ToolBody
from serve.choices import Heard, copies, hear_all
from serve.pace import Pace
from serve.parts import Parts
from serve.turns import Turn

log = logging.getLogger(__name__)

VERSION_HEADER: Final = "x-nightschool-version"
CONVERSATION_HEADER: Final = "x-nightschool-conversation"
DROPPED_HEADER: Final = "x-nightschool-dropped"
UNRECORDED: Final = {"x-nightschool-recorded": "false"}
MAX_TOLD: Final = 20
UNFIT_FOR_HEADERS: Final = re.compile(r"[^A-Za-z0-9_.\[\]-]")


def completions_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    limit = Pace(parts.settings.server.requests_per_minute)
    repeats = Repeats()
    kind = ToolBody if parts.settings.engine.tool_parser else ChatBody

    @router.post("/v1/chat/completions")
    async def complete(request: Request, caller: Caller = Depends(require_key(parts))) -> Response:
        body = await read_body(request, kind, max_bytes=parts.settings.server.max_body_bytes)
        dropped = body.check_extras(is_lenient=caller.is_lenient or parts.settings.server.lenient)
        key = read_key(request.headers)
        make = partial(_make, parts, body, caller, limit=limit, told=_client(request, body), dropped=_told(dropped))
        if key is None:
            made = await unless_left(request, make())
        else:
            kept = repeats.once(caller.owner, key, fingerprint=hash_body(body), make=make)
            made = await unless_left(request, kept.made())
        if body.stream:
            return EventStream(made.pieces, headers=made.headers)
        whole = await unless_left(request, joined(made.pieces))
        return Response(whole, headers=dict(made.headers), media_type="application/json")

    return router


async def _make(
    parts: Parts, body: ChatBody, caller: Caller, *, limit: Pace, told: ToldByClient, dropped: Mapping[str, str]
) -> Made:
    """The reply, begun: as OpenAI's events, or as one piece of JSON."""
    wishes, count = body.to_wishes(), body.n or 1
    for _ in range(count):
        limit.spend(caller.owner)
    turns = copies(await _begin(parts, body, caller, wishes, told), count)
    version = parts.turns.version_of(turns[0])
    reply = Reply(turns[0].answer_id, int(time.time()), body.model, version, _own(parts, turns))
    headers = {VERSION_HEADER: version, **dropped, **_place(turns)}
    answers = hear_all([parts.turns.answer(turn) for turn in turns])
    if not body.stream:
        return Made(headers, _whole(answers, reply, count))
    # The first piece before the headers: a failure up to here still has a status of its own.
    first = await anext(answers)
    return Made(headers, _events(answers, first, reply, count=count, wants_usage=body.wants_usage), last=DONE)


def _client(request: Request, body: ChatBody) -> ToldByClient:
    return read_client(request.headers, [message.to_message() for message in body.messages])


def _told(dropped: Sequence[str]) -> dict[str, str]:
    """The header that names what was passed over; a caller chose the names."""
    names = [UNFIT_FOR_HEADERS.sub("?", name) for name in dropped[:MAX_TOLD]]
    return {DROPPED_HEADER: ", ".join(names)} if names else {}


async def _begin(parts: Parts, body: ChatBody, caller: Caller, wishes: Wishes, told: ToldByClient) -> Turn:
    bot, route = await find_model(parts, body.model, caller)
    if wishes.top_logprobs is not None and bot.knowledge.is_grounded and bot.knowledge.guard != "off":
        raise BadParameter(
            "is not given where a guard checks answers and may put other words in their place",
            param="logprobs",
            openai_code="unsupported_parameter",
            remedy="Leave it out, or set knowledge.guard to off in the bot's file.",
        )
    turn = await parts.turns.begin_api(
        bot,
        owner=person_behind(caller.owner, body.end_user or told.user, secret=parts.secrets.cookie_key),
        messages=[message.to_message() for message in body.messages],
        sampling=body.to_sampling(bot.sampling),
        wishes=wishes,
        route=route,
        metadata_json=body.with_metadata({"message": told.message} if told.message else {}),
        stored_as=body.model if body.store or told.message else "",
        is_alone=(body.n or 1) == 1,
    )
    if told.is_task:
        turn = replace(turn, is_recorded=False, verified=None)
    return await parts.turns.pin(turn)


def _own(parts: Parts, turns: Sequence[Turn]) -> dict[str, object]:
    """What the server may say beside OpenAI's fields: each answer's id where there are several, and what they stand on,
    where their bot shows that."""
    if parts.settings.server.strict_openai:
        return {}
    ids = {"completion_ids": [turn.answer_id for turn in turns]} if len(turns) > 1 else {}
    return ids | _grounds(parts, turns[0])


def _place(turns: Sequence[Turn]) -> dict[str, str]:
    """The header that names the answers' conversations, in the order of the choices."""
    if not turns[0].is_recorded:
        return UNRECORDED
    return {CONVERSATION_HEADER: ", ".join(turn.conversation.conversation_id for turn in turns)}


def _grounds(parts: Parts, turn: Turn) -> dict[str, object]:
    if turn.verified:
        return {"verified": True}
    passages = turn.prompt.found.passages
    # A fine-tuned model is no bot of the shelf, and stands on no documents.
    if not passages or not parts.shelf.find(turn.bot).knowledge.show_sources:
        return {}
    sources = [{"document": p.document, "heading": p.shown_heading, "passage_id": p.passage_id} for p in passages]
    return {"sources": sources}


async def _whole(answers: AsyncGenerator[Heard, None], reply: Reply, count: int) -> AsyncGenerator[bytes, None]:
    pieces: list[list[Delta]] = [[] for _ in range(count)]
    async with aclosing(answers):
        async for index, delta in answers:
            pieces[index].append(delta)
    for answer in pieces:
        _refuse_torso(answer[-1])
    yield bytes(JSONResponse(reply.completion(pieces)).body)


def _refuse_torso(last: Delta) -> None:
    """OpenAI has no word for an answer that was cut off; told as one that ended, it would be taken for whole."""
    if last.finish not in FINISHES:
        raise Unavailable("was stopping and cut the answer off", subject="server", remedy="Ask again in a moment.")


async def _events(
    answers: AsyncGenerator[Heard, None], heard: Heard | None, reply: Reply, *, count: int, wants_usage: bool
) -> AsyncGenerator[bytes, None]:
    """OpenAI's stream. An engine that fails in the middle gives an error's event and no [DONE]."""
    lasts: dict[int, Delta] = {}
    async with aclosing(answers):
        for index in range(count):
            yield event(reply.role_chunk(index))
        try:
            while heard is not None:
                index, delta = heard
                if delta.finish is None:
                    yield event(reply.text_chunk(index, delta))
                else:
                    _refuse_torso(delta)
                    lasts[index] = delta
                    yield event(reply.finish_chunk(index, delta, is_last=len(lasts) == count))
                heard = await anext(answers, None)
        except NightschoolError as error:
            log.warning("answer=%s broke off: %s", reply.completion_id, error)
            yield event(error_body(error))
            return
        except Exception as error:
            # Headers are out, so no handler can answer any more: the caller learns it here, the log once.
            log.exception("answer=%s broke off", reply.completion_id)
            yield event(error_body(error))
            return
        if wants_usage:
            yield event(reply.usage_chunk([lasts[index] for index in range(count)]))
        yield DONE
