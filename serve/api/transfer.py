"""Conversations in and out under /ops, line by line: POST /ops/import, GET /ops/export and /ops/export/answers.

A body goes to a file in the data folder and is read from there slice by slice, so that a large import costs disk, and
neither memory nor others' time. Does not know formats (`collect.formats`), nor what is new (`collect.imports`).
"""

import asyncio
import json
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Annotated, BinaryIO, Final, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from collect.exports import PREFIX, Asked, write_export
from collect.formats.answer_rows import Form, Wanted
from collect.formats.read import BadLine
from collect.formats.table import Parsed, read_file
from collect.formats.talk import ParsedNote, ParsedTree
from collect.imports import Imported
from collect.slices import Import, import_rows
from nightschool.records import new_id, utc_now
from nightschool.room import check_room
from serve.api.auth import Authority, Caller
from serve.api.receiving import Room, receive_body
from serve.audited import note
from serve.parts import Parts

IMPORT_FACTOR: Final = 50
"""An import may be this many times as large as another body."""
MAX_BAD_LINES: Final = 10_000
"""Beyond these, one more row says how many were left out."""
PIECE_BYTES: Final = 1 << 20
GROWTH: Final = 3
"""What an import may take of the disk, in its own sizes: the log, the file, and room to fold the one into the other."""
GZIP: Final = b"\x1f\x8b"
CARD_HEADER: Final = "x-nightschool-export"
"""Of an export: what it holds, as `collect.exports.ExportCard` in JSON."""
UNPACKED_FACTOR: Final = 10
"""A packed import may unpack to this many times the largest import."""


class ImportQuery(BaseModel):
    bot: str
    held_out: bool | None = None
    faq: bool = False
    format: str | None = None
    """Of `collect.formats.table.NAMES`; None lets each row say which it is."""
    dry_run: bool = False


class AnswersQuery(BaseModel):
    bot: str
    format: Form = "jsonl"
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    vote: Literal["up", "down", "none"] | None = None
    version: int | None = Field(default=None, ge=0, lt=2**31)
    tag: str | None = None
    reviewed: bool | None = None


class BadLineRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    line: int
    reason: str
    text: str
    """Its beginning; empty where the row is not at hand as it came."""


class ImportRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    imported: int
    skipped: int
    moved: int
    votes: int
    corrections: int
    scores: int
    formats: dict[str, int]
    """Good rows by the format that they were read as."""
    bad_lines: list[BadLineRow]


class _Bad:
    """Bad lines as they come, up to a limit."""

    def __init__(self) -> None:
        self.rows: list[BadLineRow] = []
        self._left_out = 0

    def add(self, bad: BadLine) -> None:
        if len(self.rows) < MAX_BAD_LINES:
            self.rows.append(BadLineRow(line=bad.line, reason=bad.reason, text=bad.text))
            return
        self._left_out += 1
        rest = f"and {self._left_out} more bad lines up to this one"
        self.rows[MAX_BAD_LINES:] = [BadLineRow(line=bad.line, reason=rest, text="")]


def add_transfer(router: APIRouter, parts: Parts, operator: Authority) -> None:
    max_bytes = parts.settings.server.max_body_bytes * IMPORT_FACTOR
    room = Room(parts.home.temp, parts.settings.night.min_free_bytes, GROWTH, subject="import")

    @router.post("/import")
    async def take_in(
        request: Request, asked: Annotated[ImportQuery, Query()], caller: Caller = Depends(operator)
    ) -> ImportRow:
        name = parts.shelf.find(asked.bot).bot_name
        with tempfile.TemporaryFile(dir=parts.home.temp) as body:
            await receive_body(request, body, room=room, max_bytes=max_bytes)
            room.check(received=_unpacked_bytes(body))
            bad, formats = _Bad(), Counter[str]()
            rows = read_file(
                body,
                max_bytes=max_bytes * UNPACKED_FACTOR,
                name=asked.format,
                on_read=lambda one: formats.update([one]),
            )
            if asked.dry_run:
                done = await asyncio.to_thread(_count, rows, bad)
            else:
                wanted = Import(name, asked.held_out, asked.faq, caller.actor, utc_now())
                prepare = partial(parts.masking.imported, bot=name)
                done = await import_rows(parts.store, rows, wanted=wanted, on_bad=bad.add, prepare=prepare)
        return ImportRow(
            imported=done.imported,
            skipped=done.skipped,
            moved=done.moved,
            votes=done.votes,
            corrections=done.corrections,
            scores=done.scores,
            formats=formats,
            bad_lines=bad.rows,
        )

    @router.get("/export", response_class=StreamingResponse)
    async def hand_out(bot: str, caller: Caller = Depends(operator)) -> StreamingResponse:
        return await _hand_out(parts, Asked(parts.shelf.find(bot).bot_name), caller)

    @router.get("/export/answers", response_class=StreamingResponse)
    async def hand_out_answers(
        asked: Annotated[AnswersQuery, Query()], caller: Caller = Depends(operator)
    ) -> StreamingResponse:
        wanted = Wanted(asked.since, asked.until, asked.vote, asked.version, asked.tag, asked.reviewed)
        return await _hand_out(parts, Asked(parts.shelf.find(asked.bot).bot_name, asked.format, wanted), caller)


async def _hand_out(parts: Parts, asked: Asked, caller: Caller) -> StreamingResponse:
    """The file, and in a header its card: whoever reads slowly holds a file open, and not the record."""
    at = utc_now()
    target = parts.home.temp / f"{PREFIX}{new_id()}"
    # An export says again what the record holds.
    size, spare = parts.home.store.stat().st_size, parts.settings.night.min_free_bytes
    check_room(parts.home.temp, wanted_bytes=size, spare_bytes=spare, subject="export")
    try:
        card = await parts.store.read_long(partial(write_export, asked=asked, target=target, at=at))
        opened = target.open("rb")
    finally:
        # What is open can be read to its end, and nothing is left where the server is killed.
        target.unlink(missing_ok=True)
    taken = f"{card.rows} {'conversations' if asked.form is None else 'answers'}"
    keep = partial(note, actor=caller.actor, action="exported", subject=taken, at=at, bot=asked.bot)
    await parts.store.write(keep)

    async def pieces() -> AsyncIterator[bytes]:
        with opened:
            while piece := await asyncio.to_thread(opened.read, PIECE_BYTES):
                yield piece

    kind = "application/jsonl" if asked.form is None else "application/octet-stream"
    headers = {CARD_HEADER: json.dumps(card.model_dump(mode="json")), "content-length": str(card.size_bytes)}
    return StreamingResponse(pieces(), media_type=kind, headers=headers)


def _count(rows: Iterator[Parsed | BadLine], bad: _Bad) -> Imported:
    """What an import would bring to an empty record."""
    conversations = votes = corrections = scores = 0
    for row in rows:
        if isinstance(row, BadLine):
            bad.add(row)
        elif isinstance(row, ParsedNote):
            votes += row.voice is not None
            corrections += row.correction is not None
            scores += row.measure is not None
        else:
            conversations += 1
            said = row.messages if isinstance(row, ParsedTree) else ()
            votes += sum(len(one.voices) for one in said)
            corrections += sum(one.correction is not None for one in said)
            scores += sum(len(one.measures) for one in said)
    return Imported(conversations, 0, 0, votes, corrections, scores=scores)


def _unpacked_bytes(body: BinaryIO) -> int:
    """What a packed file says at its end that it unpacks to; 0 for one that is not packed."""
    size = 0
    if body.read(len(GZIP)) == GZIP and body.seek(0, os.SEEK_END) >= 18:
        body.seek(-4, os.SEEK_END)
        size = int.from_bytes(body.read(4), "little")
    body.seek(0)
    return size
