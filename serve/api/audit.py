"""The audit over HTTP, below /ops: its lines by what is sought, and whether they stand as they were written."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from collect.audit import verify_audit
from collect.events import Sought, find_events
from serve.api.connection import ask
from serve.parts import Parts

MAX_WORD_CHARS = 400
Word = Annotated[str | None, Query(max_length=MAX_WORD_CHARS)]


def add_audit(router: APIRouter, parts: Parts) -> None:
    @router.get("/events")
    async def lines(
        request: Request,
        *,
        bot: str | None = None,
        actor: Word = None,
        action: Word = None,
        subject: Word = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    ) -> list[dict[str, Any]]:
        name = None if bot is None else parts.shelf.find(bot).bot_name
        sought = Sought(name, actor, action, subject, since, until)
        found = await ask(request, parts.store, partial(find_events, sought=sought, limit=limit))
        return [
            {"at": e.at, "bot": e.bot, "actor": e.actor, "action": e.action, "subject": e.subject, "reason": e.reason}
            for e in found
        ]

    @router.get("/audit")
    async def verify(request: Request, expected: Word = None) -> dict[str, Any]:
        found = await ask(request, parts.store, partial(verify_audit, expected=expected))
        faults = [{"number": fault.number, "problem": fault.problem} for fault in found.faults]
        return {"lines": found.lines, "before": found.before, "head": found.head, "faults": faults}
