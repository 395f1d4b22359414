"""Conversations in and out under /ops, line by line: POST /ops/import and GET /ops/export.

A body goes to a file in the data folder and is read from there in a thread, so that a large import costs disk and not
the event loop's time. Does not know formats (`collect.formats`), nor what is new (`collect.imports`).
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from functools import partial
from typing import BinaryIO, Final, NamedTuple

from fastapi import APIRouter, Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from collect.events import append_event
from collect.formats.read import BadLine, ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported, import_conversations
from collect.store import Cursor
from nightschool.records import BotName, Event, new_id, utc_now
from serve.api.auth import Authority, Caller
from serve.api.faults import BodyTooLarge
from serve.audited import note
from serve.parts import Parts

IMPORT_FACTOR: Final = 50
"""An import may be this many times as large as another body."""
MAX_BAD_LINES: Final = 10_000
"""Beyond these, one more row says how many were left out."""
LINES_PER_PIECE: Final = 200

FAQ: Final = "let in as frequently asked"


class BadLineRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    line: int
    reason: str


class ImportRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    imported: int
    skipped: int
    moved: int
    bad_lines: list[BadLineRow]


class _Parsed(NamedTuple):
    good: list[ParsedConversation]
    bad: list[BadLineRow]


def add_transfer(router: APIRouter, parts: Parts, operator: Authority) -> None:
    max_bytes = parts.settings.server.max_body_bytes * IMPORT_FACTOR

    @router.post("/import")
    async def take_in(
        request: Request,
        bot: str,
        held_out: bool | None = None,
        faq: bool = False,
        caller: Caller = Depends(operator),
    ) -> ImportRow:
        name = parts.shelf.find(bot).bot_name
        with tempfile.TemporaryFile(dir=parts.home.temp) as body:
            await _receive(request, body, max_bytes=max_bytes)
            parsed = await asyncio.to_thread(_parse, body)
        keep = partial(_import, bot=name, good=parsed.good, is_held_out=held_out, is_faq=faq)
        done = await parts.store.write(partial(keep, actor=caller.owner, at=utc_now()))
        return ImportRow(imported=done.imported, skipped=done.skipped, moved=done.moved, bad_lines=parsed.bad)

    @router.get("/export", response_class=StreamingResponse)
    async def hand_out(bot: str, caller: Caller = Depends(operator)) -> StreamingResponse:
        name = parts.shelf.find(bot).bot_name
        lines = await parts.store.read(lambda cursor: list(export_conversations(cursor, bot=name)))
        taken = f"{len(lines)} conversations"
        keep = partial(note, actor=caller.owner, action="exported", subject=taken, at=utc_now(), bot=name)
        await parts.store.write(keep)

        async def pieces() -> AsyncIterator[str]:
            for start in range(0, len(lines), LINES_PER_PIECE):
                yield "".join(f"{line}\n" for line in lines[start : start + LINES_PER_PIECE])

        return StreamingResponse(pieces(), media_type="application/jsonl")


async def _receive(request: Request, body: BinaryIO, *, max_bytes: int) -> None:
    """The request's body as a file, from its start. Raises BodyTooLarge."""
    size = 0
    async for piece in request.stream():
        size += len(piece)
        if size > max_bytes:
            raise BodyTooLarge(
                f"is larger than {max_bytes} bytes",
                subject="import",
                remedy="Import it in parts, or raise server.max_body_bytes.",
            )
        body.write(piece)
    body.seek(0)


def _parse(lines: Iterable[bytes]) -> _Parsed:
    parsed = _Parsed([], [])
    left_out = 0
    for item in read_conversations(lines):
        match item:
            case ParsedConversation():
                parsed.good.append(item)
            case BadLine(line, reason) if len(parsed.bad) < MAX_BAD_LINES:
                parsed.bad.append(BadLineRow(line=line, reason=reason))
            case BadLine(line):
                left_out += 1
                rest = BadLineRow(line=line, reason=f"and {left_out} more bad lines up to this one")
                parsed.bad[MAX_BAD_LINES:] = [rest]
    return parsed


def _import(
    cursor: Cursor,
    *,
    bot: BotName,
    good: list[ParsedConversation],
    is_held_out: bool | None,
    is_faq: bool,
    actor: str,
    at: datetime,
) -> Imported:
    """Keep the conversations, and in the audit who brought them."""
    done = import_conversations(cursor, bot=bot, conversations=good, is_held_out=is_held_out, at=at, is_faq=is_faq)
    if done.imported:
        event = Event(new_id(), at, bot, actor, "imported", f"{done.imported} conversations", _purpose(is_held_out))
        append_event(cursor, event=event)
    if is_faq:
        append_event(cursor, event=Event(new_id(), at, bot, actor, FAQ, f"{len(good)} conversations", ""))
    if done.moved:
        event = Event(new_id(), at, bot, actor, "moved", f"{done.moved} conversations", _purpose(is_held_out))
        append_event(cursor, event=event)
    return done


def _purpose(is_held_out: bool | None) -> str:
    return {None: "", True: "held out", False: "for training"}[is_held_out]
