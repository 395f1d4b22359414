"""The operator's side over HTTP, under /ops: what the command line asks of a running server. Operator keys only."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from collect import cycles, events, keys, registry
from collect.formats.read import BadLine, ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import import_conversations
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import Adapter, BotName, utc_now
from serve.api.auth import Caller, require_operator
from serve.parts import Parts
from serve.status import Status, read_status, view_cycle

IMPORT_FACTOR = 50
"""An import may be this many times as large as another body."""
MAX_BAD_LINES = 200


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bot: str


class NightBody(_Body):
    force: bool = False
    dry_run: bool = False


class MoveBody(_Body):
    version: int | None = Field(default=None, ge=1)
    reason: str = Field(default="", max_length=2_000)


class KeyBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    is_operator: bool = False


def operations_router(parts: Parts) -> APIRouter:
    router = APIRouter(prefix="/ops")
    caller_of = require_operator(parts)
    for add in (_add_looks, _add_data, _add_nights, _add_moves, _add_keys):
        add(router, parts)
    guarded = APIRouter(dependencies=[Depends(caller_of)])
    guarded.include_router(router)
    return guarded


def _add_looks(router: APIRouter, parts: Parts) -> None:
    @router.get("/status")
    async def status() -> Status:
        return await read_status(parts)

    @router.get("/events")
    async def audit(
        bot: str | None = None, limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    ) -> list[dict[str, Any]]:
        found = await parts.store.read(partial(events.list_events, bot=_known(parts, bot), limit=limit))
        return [
            {"at": e.at, "bot": e.bot, "actor": e.actor, "action": e.action, "subject": e.subject, "reason": e.reason}
            for e in found
        ]

    @router.get("/report/{cycle_id}", response_class=PlainTextResponse)
    async def report(cycle_id: str) -> str:
        cycle = await parts.store.read(partial(cycles.cycle, cycle_id=cycle_id))
        folder = parts.home.cycle(cycle.bot, cycle.cycle_id)
        pages = [folder / "morning.md", folder / "evaluation" / "report.md"]
        texts = [page.read_text() for page in pages if page.exists()]
        if not texts:
            raise NotFound("has no report", subject=cycle_id, remedy="The night did not come so far.")
        return "\n\n".join(texts)


def _add_data(router: APIRouter, parts: Parts) -> None:
    @router.post("/import")
    async def take_in(request: Request, bot: str, held_out: bool | None = None) -> dict[str, Any]:
        name = parts.shelf.find(bot).bot_name
        raw = await _body(request, limit_bytes=parts.settings.server.max_body_bytes * IMPORT_FACTOR)
        read = list(read_conversations(raw.splitlines()))
        good = [item for item in read if isinstance(item, ParsedConversation)]
        bad = [item for item in read if isinstance(item, BadLine)]
        change = partial(import_conversations, bot=name, conversations=good, is_held_out=held_out, at=utc_now())
        done = await parts.store.write(change)
        return {
            "imported": done.imported,
            "skipped": done.skipped,
            "bad_lines": [{"line": item.line, "reason": item.reason} for item in bad[:MAX_BAD_LINES]],
        }

    @router.get("/export", response_class=StreamingResponse)
    async def hand_out(bot: str) -> StreamingResponse:
        name = parts.shelf.find(bot).bot_name
        lines = await parts.store.read(lambda cursor: list(export_conversations(cursor, bot=name)))

        async def stream() -> AsyncIterator[str]:
            for line in lines:
                yield f"{line}\n"

        return StreamingResponse(stream(), media_type="application/jsonl")


def _add_nights(router: APIRouter, parts: Parts) -> None:
    caller_of = require_operator(parts)

    @router.post("/night")
    async def night(body: NightBody, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        name = parts.shelf.find(body.bot).bot_name
        if body.dry_run:
            plan = await parts.nights.plan(name)
            return {
                "bot": name,
                "would_train": plan.shortfall is None,
                "reason": plan.shortfall,
                **plan.note.model_dump(),
            }
        cycle = await parts.nights.start(name, actor=caller.owner, force=body.force)
        return view_cycle(cycle).model_dump(mode="json")

    @router.get("/cycles")
    async def list_cycles(bot: str | None = None, limit: Annotated[int, Field(ge=1, le=1_000)] = 20) -> list[Any]:
        found = await parts.store.read(partial(cycles.list_cycles, bot=_known(parts, bot), limit=limit))
        return [view_cycle(cycle).model_dump(mode="json") for cycle in found]

    @router.get("/cycles/{cycle_id}")
    async def one_cycle(cycle_id: str) -> dict[str, Any]:
        cycle = await parts.store.read(partial(cycles.cycle, cycle_id=cycle_id))
        return view_cycle(cycle).model_dump(mode="json")


def _add_moves(router: APIRouter, parts: Parts) -> None:
    caller_of = require_operator(parts)

    @router.get("/adapters")
    async def list_adapters(bot: str | None = None) -> list[dict[str, Any]]:
        return [_row(a) for a in await parts.store.read(partial(registry.adapters, bot=_known(parts, bot)))]

    @router.post("/promote")
    async def promote(body: MoveBody, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        name = parts.shelf.find(body.bot).bot_name
        adapter = await parts.rollout.promote(name, version=body.version, actor=caller.owner, reason=body.reason)
        return {"bot": name, "live": str(adapter.name), "stage": adapter.stage}

    @router.post("/rollback")
    async def rollback(body: MoveBody, caller: Annotated[Caller, Depends(caller_of)]) -> dict[str, Any]:
        name = parts.shelf.find(body.bot).bot_name
        route = await parts.rollout.rollback(name, version=body.version, actor=caller.owner, reason=body.reason)
        return {"bot": name, "live": str(route.name)}


def _add_keys(router: APIRouter, parts: Parts) -> None:
    @router.post("/keys")
    async def create(body: KeyBody) -> dict[str, str]:
        scope: keys.Scope = "operator" if body.is_operator else "user"
        secret = await parts.store.write(partial(keys.create_key, name=body.name, scope=scope, at=utc_now()))
        return {"name": body.name, "key": secret}

    @router.get("/keys")
    async def list_all() -> list[dict[str, Any]]:
        return [_key_row(key) for key in await parts.store.read(keys.list_keys)]

    @router.delete("/keys/{name:path}")
    async def revoke(name: str) -> dict[str, Any]:
        return _key_row(await parts.store.write(partial(keys.revoke_key, name=name, at=utc_now())))


def _known(parts: Parts, bot: str | None) -> BotName | None:
    return None if bot is None else parts.shelf.find(bot).bot_name


async def _body(request: Request, *, limit_bytes: int) -> bytes:
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > limit_bytes:
            raise InvalidInput(
                f"is larger than {limit_bytes // 1_000_000} MB", subject="import", remedy="Import it in parts."
            )
    return bytes(raw)


def _row(adapter: Adapter) -> dict[str, Any]:
    return {
        "bot": adapter.bot,
        "version": adapter.version,
        "stage": adapter.stage,
        "hash": adapter.content_hash,
        "has_passing_verdict": adapter.has_passing_verdict,
        "cycle": adapter.cycle_id,
        "created_at": adapter.created_at.isoformat(),
    }


def _key_row(key: keys.ApiKey) -> dict[str, Any]:
    return {"name": key.name, "scope": key.scope, "created_at": key.created_at, "revoked_at": key.revoked_at}
