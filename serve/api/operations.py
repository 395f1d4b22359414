"""The operator's side over HTTP, under /ops: what the command line asks of a running server. Operator keys only.

The key is checked before a body is read. Carrying conversations in and out is `serve.api.transfer`'s, examining two
versions by hand `serve.api.evaluations`'s.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from collect import cycles, keys, registry
from collect.gaps import Gap, list_gaps
from collect.waiting import Waiting, list_waiting
from deploy.cycle import NightPlan
from deploy.in_use import prove_in_use
from deploy.morning import read_pages
from deploy.plan import NightFolder
from deploy.proof import measure_load
from nightschool.errors import NotFound
from nightschool.records import Adapter, BotName, utc_now
from serve.api.adapters import add_adapters
from serve.api.audit import add_audit
from serve.api.auth import Authority, Caller, require_operator
from serve.api.backups import add_backups
from serve.api.bodies import read_body
from serve.api.connection import ask
from serve.api.erasures import add_erasures
from serve.api.escalations import add_escalations
from serve.api.eval_looks import add_evals
from serve.api.evaluations import add_evaluations
from serve.api.golden import add_golden
from serve.api.jobs import add_jobs
from serve.api.knowledge import add_knowledge
from serve.api.quarantine import add_quarantine
from serve.api.score_looks import add_scores
from serve.api.trace import add_trace
from serve.api.transfer import add_transfer
from serve.api.verified import add_verified
from serve.audited import make_key, revoke_key
from serve.parts import Parts
from serve.status import CycleView, Status, read_status, view_cycle

MAX_BODY_BYTES = 64_000


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NightBody(_Body):
    bot: str
    force: bool = False
    dry_run: bool = False


class DatasetBody(_Body):
    bot: str


class MoveBody(_Body):
    bot: str
    version: int | None = Field(default=None, ge=1, lt=2**31)
    reason: str = Field(default="", max_length=2_000)
    pause: bool = False
    """Whether the engine may be changed for it, during which nobody is answered."""


class RollbackBody(MoveBody):
    version: int | None = Field(default=None, ge=0, lt=2**31)
    """0 is the base model."""


class HoldBody(_Body):
    bot: str
    reason: str = Field(default="", max_length=2_000)


class KeyBody(_Body):
    name: str
    is_operator: bool = False
    is_lenient: bool = False


def operations_router(parts: Parts) -> APIRouter:
    operator = require_operator(parts)
    router = APIRouter(prefix="/ops", dependencies=[Depends(operator)])
    _add_looks(router, parts)
    _add_nights(router, parts, operator)
    _add_proofs(router, parts)
    _add_moves(router, parts, operator)
    _add_keys(router, parts, operator)
    add_audit(router, parts)
    add_transfer(router, parts, operator)
    add_erasures(router, parts, operator)
    add_escalations(router, parts, operator)
    add_backups(router, parts, operator)
    add_evaluations(router, parts)
    add_golden(router, parts, operator)
    add_knowledge(router, parts)
    add_verified(router, parts, operator)
    add_quarantine(router, parts, operator)
    add_jobs(router, parts, operator)
    add_evals(router, parts)
    add_trace(router, parts)
    add_scores(router, parts)
    add_adapters(router, parts, operator)
    return router


def _add_looks(router: APIRouter, parts: Parts) -> None:
    @router.get("/status")
    async def status() -> Status:
        return await read_status(parts)

    @router.get("/waiting")
    async def waiting(
        request: Request, bot: str | None = None, limit: Annotated[int, Query(ge=1, le=10_000)] = 100
    ) -> list[Waiting]:
        return await ask(request, parts.store, partial(list_waiting, bot=_known(parts, bot), limit=limit))

    @router.get("/gaps")
    async def gaps(
        request: Request, bot: str | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
    ) -> list[Gap]:
        return await ask(request, parts.store, partial(list_gaps, bot=_known(parts, bot), limit=limit))

    @router.get("/adapters")
    async def list_adapters(bot: str | None = None) -> list[dict[str, Any]]:
        return [_row(a) for a in await parts.store.read(partial(registry.adapters, bot=_known(parts, bot)))]

    @router.get("/report/{cycle_id}", response_class=PlainTextResponse)
    async def report(cycle_id: str) -> str:
        # Looked up, so that a path is made of ids that we gave out and of nothing else.
        cycle = await parts.store.read(partial(cycles.cycle, cycle_id=cycle_id))
        pages = read_pages(NightFolder(parts.home.cycle(cycle.bot, cycle.cycle_id)), cycle)
        if not pages:
            raise NotFound("has no report", subject=cycle_id, remedy=f"It is {cycle.state} at step {cycle.step}.")
        return pages


def _add_nights(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.post("/night", response_model=None)
    async def night(request: Request, caller: Caller = Depends(operator)) -> CycleView | dict[str, Any]:
        body = await read_body(request, NightBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        if not body.dry_run:
            return view_cycle(parts, await parts.nights.start(name, actor=caller.actor, force=body.force))
        return _view_plan(name, await parts.nights.plan(name))

    @router.post("/datasets")
    async def build_dataset(request: Request) -> dict[str, Any]:
        body = await read_body(request, DatasetBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        plan = await parts.nights.build(name)
        return {"hash": plan.data.content_hash, **_view_plan(name, plan)}

    @router.get("/cycles")
    async def list_cycles(
        bot: str | None = None, limit: Annotated[int, Query(ge=1, le=1_000)] = 20
    ) -> Sequence[CycleView]:
        found = await parts.store.read(partial(cycles.list_cycles, bot=_known(parts, bot), limit=limit))
        return [view_cycle(parts, cycle) for cycle in found]

    @router.get("/cycles/{cycle_id}")
    async def one_cycle(cycle_id: str) -> CycleView:
        return view_cycle(parts, await parts.store.read(partial(cycles.cycle, cycle_id=cycle_id)))


def _add_proofs(router: APIRouter, parts: Parts) -> None:
    measure = None if parts.settings.engine.kind == "echo" else measure_load

    @router.get("/prove/{bot}")
    async def prove(bot: str) -> dict[str, Any]:
        name = parts.shelf.find(bot).bot_name
        found = await prove_in_use(parts.engine, parts.store, parts.rollout, home=parts.home, bot=name, measure=measure)
        distances = found.distances
        return {
            "bot": name,
            "live": str(found.name),
            "hash": found.content_hash,
            "is_proved": distances is not None,
            "to_adapter": distances.to_adapter if distances else None,
            "to_base": distances.to_base if distances else None,
        }


def _add_moves(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.post("/promote")
    async def promote(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, MoveBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        given = {"actor": caller.actor, "reason": body.reason}
        adapter = await parts.rollout.promote(name, version=body.version, may_pause=body.pause, **given)
        return {"bot": name, "live": str(adapter.name), "stage": adapter.stage}

    @router.post("/rollback")
    async def rollback(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, RollbackBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        down = partial(parts.rollout.rollback, name, version=body.version, may_pause=body.pause)
        route = await down(actor=caller.actor, reason=body.reason)
        return {"bot": name, "live": str(route.name)}

    @router.post("/hold")
    async def hold(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, HoldBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        await parts.rollout.hold(name, actor=caller.actor, reason=body.reason)
        return {"bot": name, "is_held": True}

    @router.post("/release")
    async def release(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, HoldBody, max_bytes=MAX_BODY_BYTES)
        name = parts.shelf.find(body.bot).bot_name
        await parts.rollout.release(name, actor=caller.actor, reason=body.reason)
        return {"bot": name, "is_held": False}


def _add_keys(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.post("/keys")
    async def create(request: Request, caller: Caller = Depends(operator)) -> dict[str, str]:
        body = await read_body(request, KeyBody, max_bytes=MAX_BODY_BYTES)
        scope: keys.Scope = "operator" if body.is_operator else "user"
        make = partial(make_key, name=body.name, scope=scope, actor=caller.actor, at=utc_now())
        secret = await parts.store.write(partial(make, is_lenient=body.is_lenient))
        return {"name": body.name, "key": secret}

    @router.get("/keys")
    async def list_all() -> list[dict[str, Any]]:
        return [_key_row(key) for key in await parts.store.read(keys.list_keys)]

    @router.delete("/keys/{name:path}")
    async def revoke(name: str, caller: Caller = Depends(operator)) -> dict[str, Any]:
        return _key_row(await parts.store.write(partial(revoke_key, name=name, actor=caller.actor, at=utc_now())))


def _view_plan(bot: BotName, plan: NightPlan) -> dict[str, Any]:
    return {
        "bot": bot,
        "would_train": plan.shortfall is None,
        "reason": plan.shortfall,
        **plan.data.model_dump(),
    }


def _known(parts: Parts, bot: str | None) -> BotName | None:
    return None if bot is None else parts.shelf.find(bot).bot_name


def _row(adapter: Adapter) -> dict[str, Any]:
    return {
        "bot": adapter.bot,
        "version": adapter.version,
        "stage": adapter.stage,
        "hash": adapter.content_hash,
        "folder": adapter.folder,
        "has_passing_verdict": adapter.has_passing_verdict,
        "tainted_at": adapter.tainted_at,
        "cycle": adapter.cycle_id,
        "dataset": adapter.dataset_hash,
        "created_at": adapter.created_at,
    }


def _key_row(key: keys.ApiKey) -> dict[str, Any]:
    return asdict(key)
