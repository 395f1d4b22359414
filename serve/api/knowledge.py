"""A bot's documents over HTTP, below /ops: what is indexed, what a question finds, which questions find nothing."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class ShowBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    said: list[str] = Field(min_length=1, max_length=100)
    """The conversation's questions, oldest first; the last is asked."""


def add_knowledge(router: APIRouter, parts: Parts) -> None:
    @router.get("/knowledge/{bot}")
    async def status(bot: str) -> dict[str, Any]:
        return asdict(await parts.documents.status(bot))

    @router.post("/knowledge/{bot}/show")
    async def show(bot: str, request: Request) -> dict[str, Any]:
        body = await read_body(request, ShowBody, max_bytes=MAX_BODY_BYTES)
        found = await parts.documents.show(bot, body.said)
        passages = [
            {"score": score, "is_served": parts.documents.is_served(bot, score), **asdict(passage)}
            for passage, score in zip(found.passages, found.scores, strict=True)
        ]
        return {"bot": bot, "index_hash": found.index_hash, "passages": passages}

    @router.get("/knowledge/{bot}/check")
    async def check(bot: str) -> dict[str, Any]:
        return {"bot": bot, **asdict(await parts.documents.check(bot))}
