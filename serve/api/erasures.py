"""Erasing over HTTP, below /ops: a conversation or all that one person said, and the certificate of it."""

from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from collect import erase
from deploy.erasing import Certificate
from nightschool.errors import InvalidInput, NotFound
from nightschool.owners import person_behind
from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class EraseBody(BaseModel):
    """One of both."""

    model_config = ConfigDict(extra="forbid")

    conversation: str = Field(default="", max_length=200)
    user: str = Field(default="", max_length=400)
    end_user: str = Field(default="", max_length=2_000)
    """Of a `user` that is a key: one person behind it, as the key's caller names them."""
    reason: str = Field(default="", max_length=2_000)


def add_erasures(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.post("/erase")
    async def erase_for_good(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, EraseBody, max_bytes=MAX_BODY_BYTES)
        if bool(body.conversation) == bool(body.user):
            raise InvalidInput("must be one of both", subject="conversation or user", remedy="Name one.", param="user")
        kind: erase.Kind = "conversation" if body.conversation else "user"
        secret = parts.secrets.cookie_key
        subject = body.conversation or person_behind(body.user, body.end_user, secret=secret)
        asked = await parts.eraser.erase(kind, subject, actor=caller.actor, reason=body.reason, at_once=True)
        erasure = asked.erasure
        return {
            "erasure": erasure.erasure_id,
            "conversations": len(erasure.conversation_ids),
            "messages": len(erasure.message_ids),
            "is_whole": asked.certificate is not None,
            "certificate": asked.certificate.model_dump(mode="json") if asked.certificate else None,
        }

    @router.get("/erasures/{erasure_id}")
    async def certificate(erasure_id: str) -> Certificate:
        # Looked up, so that a path is made of ids that we gave out and of nothing else.
        erasure = await parts.store.read(partial(erase.find_erasure, erasure_id=erasure_id))
        if erasure is None:
            raise NotFound("is no erasure", subject=repr(erasure_id), remedy="`nightschool audit list` shows them.")
        if erasure.finished_at is None:
            raise NotFound("is not whole yet", subject=erasure_id, remedy="Ask again when the bot's night is over.")
        return Certificate.model_validate_json(parts.eraser.certificate_file(erasure_id).read_bytes())
