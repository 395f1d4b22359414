"""POST /ops/adapters: the folder of an adapter or a whole model, as a tar, becomes a bot's candidate.

The files come as bytes, so that no path of a caller's is ever opened. Does not know what is in them (`serve.adding`).
"""

from tempfile import TemporaryFile
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request

from serve.adding import ServeAs
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
        serve_as: Annotated[ServeAs, Query(alias="as")] = "nearest",
        caller: Caller = Depends(operator),
    ) -> dict[str, Any]:
        its_bot = parts.shelf.find(bot)
        called = "".join(letter for letter in name if letter.isprintable()) or "folder"
        with TemporaryFile(dir=temp) as body:
            # And it again, unpacked; a whole model also as it is served, in two places.
            growth = 1 if serve_as == "nearest" else 3
            await receive_body(request, body, room=Room(temp, spare, growth=growth, subject="adapter"))
            added = await parts.adding.add(
                body,
                name=called,
                bot=its_bot,
                actor=caller.actor,
                reason=reason.strip() or NO_REASON,
                serve_as=serve_as,
            )
        return {
            "bot": added.adapter.bot,
            "candidate": str(added.adapter.name),
            "stage": added.adapter.stage,
            "hash": added.adapter.content_hash,
            "kind": added.found.kind,
            "served": serve_as if added.found.is_whole else "adapter",
            "rank": added.found.rank,
            "share": added.found.share,
            "said": added.found.said,
        }
