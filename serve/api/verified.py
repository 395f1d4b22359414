"""Verified answers over HTTP, below /ops: which there are, how often they would answer, and a switch for each."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from collect.verified.report import VerifiedReport, report_verified
from collect.verified.served import switch
from nightschool.records import utc_now
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class SwitchBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bot: str
    message_id: str
    is_on: bool
    reason: str = Field(max_length=2_000)


def add_verified(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/verified/{bot}")
    async def look(bot: str) -> dict[str, Any]:
        name = parts.shelf.find(bot).bot_name
        return _view(await report_verified(parts.store, parts.verified, bot=name, now=utc_now()))

    @router.post("/verified")
    async def turn(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, SwitchBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        turned = partial(switch, bot=name, message_id=body.message_id, is_on=body.is_on, reason=body.reason)
        await parts.store.write(partial(turned, actor=caller.actor, at=utc_now()))
        return {"bot": name, "message_id": body.message_id, "is_on": body.is_on}


def _view(report: VerifiedReport) -> dict[str, Any]:
    known = report.calibration
    return {
        "bot": report.bot,
        "sentence": report.sentence,
        "precision": report.precision,
        "threshold": known.threshold,
        "known": known.known,
        "least": known.least,
        "answered_of_known": known.served,
        "wrong_of_known": known.wrong,
        "asked": report.asked,
        "would_answer": report.would_answer,
        "answers": [
            {
                "message_id": pair.message_id,
                "question": pair.question,
                "answer": pair.answer,
                "by": pair.verified_by,
                "at": pair.verified_at,
                "served": report.served.get(pair.message_id, 0),
                "is_on": pair.is_on,
                "switched_by": pair.switched_by,
                "reason": pair.reason,
            }
            for pair in report.pairs
        ],
    }
