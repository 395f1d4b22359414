"""Lineage over HTTP, below /ops: what became of a message or vote, what a version was made of, who was live when."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query

from collect import lineage
from collect.lineage import LiveThen
from deploy.trace import Trace, trace
from serve.parts import Parts


def add_trace(router: APIRouter, parts: Parts) -> None:
    @router.get("/trace")
    async def look(
        subject: Annotated[str, Query(max_length=600)], limit: Annotated[int, Query(ge=0, le=100_000)] = 100
    ) -> Trace:
        return await trace(parts.store, parts.home, subject, limit=limit)

    @router.get("/live")
    async def live(bot: str, at: datetime) -> LiveThen:
        name = parts.shelf.find(bot).bot_name
        then = at if at.tzinfo else at.replace(tzinfo=UTC)
        return await parts.store.read(partial(lineage.live_then, bot=name, at=then))
