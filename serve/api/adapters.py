"""POST /ops/adapters: the folder of an adapter or a whole model, as a tar, becomes a bot's candidate.

The files come as bytes, so that no path of a caller's is ever opened. Does not know what is in them (`serve.adding`).
"""

from tempfile import TemporaryFile
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Request

from serve.api.auth import Authority, Caller
from serve.api.receiving import Room, receive_body
from serve.parts import Parts

NO_REASON: Final = "no reason given"


def add_adapters(router: APIRouter, parts: Parts, operator: Authority) -> None:
    spare, temp = parts.settings.night.min_free_bytes, parts.home.temp

    @router.post("/adapters")
    async def add(
        request: Request,
        bot: str,
        *,
        name: Annotated[str, Query(min_length=1, max_length=200)],
        reason: Annotated[str, Query(max_length=2_000)] = "",
        serve_as: Annotated[Literal["nearest", "whole"], Query(alias="as")] = "nearest",
        caller: Caller = Depends(operator),
    ) -> dict[str, Any]:
        its_bot = parts.shelf.find(bot)
        called = "".join(letter for letter in name if letter.isprintable()) or "folder"
        with TemporaryFile(dir=temp) as body:
            # And it again, unpacked; a whole model also as it is served, in two places.
            growth = 3 if serve_as == "whole" else 1
            await receive_body(request, body, room=Room(temp, spare, growth=growth, subject="adapter"))
            added = await parts.adding.add(
                body,
                name=called,
                bot=its_bot,
                actor=caller.actor,
                reason=reason.strip() or NO_REASON,
                is_whole=serve_as == "whole",
            )
        return {
            "bot": added.adapter.bot,
            "candidate": str(added.adapter.name),
            "stage": added.adapter.stage,
            "hash": added.adapter.content_hash,
            "kind": added.found.kind,
            "served": "whole" if added.found.is_whole else "adapter",
            "rank": added.found.rank,
            "share": added.found.share,
            "said": added.found.said,
        }
