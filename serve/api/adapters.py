"""POST /ops/adapters: the folder of an adapter or a whole model, as a tar, becomes a bot's candidate.

The files come as bytes, so that no path of a caller's is ever opened. Does not know what is in them (`serve.adding`).
"""

from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from nightschool.errors import Unavailable
from nightschool.files import free_bytes
from serve.api.auth import Authority, Caller
from serve.parts import Parts

NO_REASON: Final = "no reason given"
LOOK_BYTES: Final = 64 * 2**20
"""The disk is looked at again after so much."""


def add_adapters(router: APIRouter, parts: Parts, operator: Authority) -> None:
    min_free = int(parts.settings.night.min_free_gib * 2**30)

    @router.post("/adapters")
    async def add(
        request: Request,
        bot: str,
        name: Annotated[str, Query(min_length=1, max_length=200)],
        reason: Annotated[str, Query(max_length=2_000)] = "",
        caller: Caller = Depends(operator),
    ) -> dict[str, Any]:
        its_bot = parts.shelf.find(bot)
        called = "".join(letter for letter in name if letter.isprintable()) or "folder"
        with TemporaryFile(dir=parts.home.temp) as body:
            await _receive(request, body, folder=parts.home.temp, min_free=min_free)
            added = await parts.adding.add(
                body, name=called, bot=its_bot, actor=caller.actor, reason=reason.strip() or NO_REASON
            )
        return {
            "bot": added.adapter.bot,
            "candidate": str(added.adapter.name),
            "stage": added.adapter.stage,
            "hash": added.adapter.content_hash,
            "kind": added.found.kind,
            "rank": added.found.rank,
            "share": added.found.share,
            "said": added.found.said,
        }


async def _receive(request: Request, body: IO[bytes], *, folder: Path, min_free: int) -> None:
    """Raises Unavailable where the disk has too little room for it, and for it again unpacked."""
    size = unlooked = 0
    async for piece in request.stream():
        unlooked += len(piece)
        if size == 0 or unlooked > LOOK_BYTES:
            size, unlooked = size + unlooked, 0
            if free_bytes(folder) < min_free + size:
                raise Unavailable(
                    "has too little room for what is sent",
                    subject="the data folder's disk",
                    remedy="Free some; night.min_free_gib says how much stays free.",
                )
        body.write(piece)
    body.seek(0)
