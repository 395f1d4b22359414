"""Evaluations over HTTP, for operators: GET /ops/evaluation shows one, POST /ops/evaluations has two versions examined.

An exam by hand lives as long as its request: its answer comes line by line, how far it is and at last what came of it,
and whoever leaves ends it. What was answered by then is kept, so that the next one goes on there.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from deploy.comparing import Comparison, compare, plan_comparison
from nightschool.errors import InvalidInput, NightschoolError
from nightschool.records import BASE, AdapterName, BotName
from serve.api.bodies import read_body
from serve.api.errors import error_body
from serve.evaluations import HELD_OUT, EvaluationView, find_evaluation, view_comparison, view_evaluation
from serve.parts import Parts

log = logging.getLogger(__name__)

PERIOD_S: Final = 2.0
"""Between two lines on how far it is; also what keeps the connection from looking dead."""
MAX_BODY_BYTES: Final = 64_000


class EvaluationBody(BaseModel):
    """`adapter` and `against` are names (`support@3`, `support@base`), or versions (`3`, `base`) of `bot`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    adapter: str = Field(max_length=100)
    against: str = Field(max_length=100)
    bot: str | None = Field(default=None, max_length=100)
    suites: tuple[Annotated[str, Field(max_length=100)], ...] | None = Field(default=None, max_length=100)
    """Asked besides the held-out rows; None is the bot's own choice. `held-out` alone is none."""


class _Asked(NamedTuple):
    bot: BotName
    candidate: int | None
    against: int | None


def add_evaluations(router: APIRouter, parts: Parts) -> None:
    @router.get("/evaluation")
    async def show(name: str | None = None) -> EvaluationView:
        return await view_evaluation(parts, await find_evaluation(parts, name))

    @router.post("/evaluations", response_class=StreamingResponse)
    async def examine(request: Request) -> StreamingResponse:
        body = await read_body(request, EvaluationBody, max_bytes=MAX_BODY_BYTES)
        asked = _read_names(body)
        settings, home = parts.settings.engine, parts.home
        comparison = await plan_comparison(
            parts.store,
            parts.engine,
            home,
            bot=parts.shelf.find(asked.bot),
            candidate=asked.candidate,
            against=asked.against,
            base_model=settings.model or str(home.base_model),
            suites=None if body.suites is None else tuple(name for name in body.suites if name != HELD_OUT),
            search=parts.knowledge.search,
        )
        return StreamingResponse(_lines(lambda note: _examine(parts, comparison, note)), media_type="application/jsonl")


async def _examine(parts: Parts, comparison: Comparison, note: Callable[[float], None]) -> EvaluationView:
    core = parts.home.exam_core(comparison.bot.bot_name)
    stored = await compare(
        parts.engine, parts.rollout, parts.nights.exams, comparison, bots_core=core, on_progress=note
    )
    return await view_comparison(parts, comparison, stored)


def _read_names(body: EvaluationBody) -> _Asked:
    """Raises InvalidInput for what is no name, and for versions of two bots."""
    candidate = _read_name(body.adapter, bot=body.bot, param="adapter")
    against = _read_name(body.against, bot=body.bot or candidate.bot, param="against")
    if candidate.bot != against.bot or body.bot not in {None, candidate.bot}:
        raise InvalidInput(
            f"is not of the same bot as {candidate}" if candidate.bot != against.bot else f"is not {body.bot}'s",
            subject=str(against if candidate.bot != against.bot else candidate),
            remedy="Two versions of one bot are compared, on that bot's questions.",
            param="against" if candidate.bot != against.bot else "adapter",
        )
    return _Asked(candidate.bot, candidate.version, against.version)


def _read_name(text: str, *, bot: str | None, param: str) -> AdapterName:
    whole = text if "@" in text or bot is None else f"{bot}@{text}"
    name = AdapterName.parse(whole)
    if name is None:
        raise InvalidInput(
            "is not the name of a version",
            subject=repr(text),
            remedy=f"Write it as BOT@VERSION or BOT@{BASE}, or name the bot and write the version alone.",
            param=param,
        )
    return name


async def _lines(work: Callable[[Callable[[float], None]], Awaitable[EvaluationView]]) -> AsyncIterator[str]:
    """Lines of JSON: `{"progress": 0..1}` now and then, last `{"evaluation": ...}` or `{"error", "status"}`."""
    reached = 0.0

    def note(share: float) -> None:
        nonlocal reached
        reached = share

    task = asyncio.ensure_future(work(note))
    try:
        while True:
            done, _ = await asyncio.wait({task}, timeout=PERIOD_S)
            if done:
                break
            yield _line({"progress": reached})
        yield _line(_ending(task))
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


def _ending(task: "asyncio.Future[EvaluationView]") -> dict[str, Any]:
    try:
        return {"evaluation": task.result().model_dump(mode="json")}
    except NightschoolError as error:
        return {**error_body(error), "status": error.status}
    except Exception as error:
        log.exception("an exam by hand broke off")
        return {**error_body(error), "status": NightschoolError.status}


def _line(told: dict[str, Any]) -> str:
    # ASCII, since what was said may hold half of a surrogate pair.
    return json.dumps(told) + "\n"
