"""/v1/evals as OpenAI has it: what a caller's models or logs answer, graded row by row.

Does not know how a row is graded (`eval.graders`), nor how a run is done (`serve.eval_work`).
"""

import json
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

from fastapi import APIRouter, Depends, Request

from collect import eval_outputs, eval_runs, evals
from collect.eval_runs import EvalRun, RunState
from collect.evals import Eval
from eval.graders.criteria import CRITERIA, Criterion, LabelModel, Multi, PythonGrader, ScoreModel
from nightschool.records import utc_now
from serve.api.auth import Authority, Caller, require_key
from serve.api.bodies import read_body
from serve.api.eval_bodies import EvalBody, EvalChange, RunBody
from serve.api.eval_cards import eval_card, number_of, output_card, run_card
from serve.api.eval_orders import order_of
from serve.api.faults import BadParameter
from serve.api.files import page_limit
from serve.api.fine_tuning import MAX_PAGE, page_of
from serve.eval_judge import find_judge
from serve.pace import Pace
from serve.parts import Parts

T = TypeVar("T")
PREFIX: Final = "eval_"
STATUSES: Final = {"pass": "pass", "fail": "fail", "failed": "fail", "error": "error"}
"""Of outputs; OpenAI's text says `failed` where its type says `fail`."""


def evals_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)
    pace = Pace(parts.settings.server.requests_per_minute)
    max_bytes = parts.settings.server.max_body_bytes

    @router.post("/v1/evals", status_code=201)
    async def create(request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, EvalBody, max_bytes=max_bytes)
        _check_graders(parts, body)
        pace.spend(caller.owner)
        at = utc_now()
        made = Eval(
            eval_id=f"{PREFIX}{uuid4().hex}",
            owner=caller.owner,
            name=body.name,
            source_json=body.data_source_config.model_dump_json(),
            criteria_json=CRITERIA.dump_json(body.testing_criteria, exclude_none=True).decode(),
            metadata_json=json.dumps(body.metadata or {}),
            created_at=at,
            updated_at=at,
        )
        return eval_card(await parts.store.write(partial(evals.add_eval, made=made)))

    @router.get("/v1/evals")
    async def list_all(
        after: str | None = None,
        limit: str = "20",
        order: str = "asc",
        order_by: str = "created_at",
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        _check_word(order_by, {"created_at", "updated_at"}, param="order_by")
        found = await parts.store.read(partial(evals.list_evals, owner=caller.owner))
        found.sort(key=lambda one: one.updated_at if order_by == "updated_at" else one.created_at)
        return page_of([eval_card(one) for one in _ordered(found, order)], after=after, limit=limit)

    @router.get("/v1/evals/{eval_id}")
    async def show(eval_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return eval_card(await _find_eval(parts, eval_id, caller))

    @router.post("/v1/evals/{eval_id}")
    async def change(eval_id: str, request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, EvalChange, max_bytes=max_bytes)
        made = await _find_eval(parts, eval_id, caller)
        name = made.name if body.name is None else body.name
        metadata_json = made.metadata_json if body.metadata is None else json.dumps(body.metadata)
        changed = partial(evals.change_eval, eval_id=eval_id, owner=caller.owner, name=name)
        return eval_card(await parts.store.write(partial(changed, metadata_json=metadata_json, at=utc_now())))

    @router.delete("/v1/evals/{eval_id}")
    async def delete(eval_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        await parts.eval_runs.delete_eval(await _find_eval(parts, eval_id, caller))
        return {"object": "eval.deleted", "deleted": True, "eval_id": eval_id}

    _add_runs(router, parts, authorise, pace)
    _add_outputs(router, parts, authorise)
    return router


def _add_runs(router: APIRouter, parts: Parts, authorise: Authority, pace: Pace) -> None:
    @router.post("/v1/evals/{eval_id}/runs", status_code=201)
    async def create(eval_id: str, request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, RunBody, max_bytes=parts.settings.server.max_body_bytes)
        made = await _find_eval(parts, eval_id, caller)
        pace.spend(caller.owner)
        ordered = await order_of(parts, body, caller)
        schema = json.loads(made.source_json).get("item_schema")
        run = await parts.eval_runs.create(made, ordered.order, rows=ordered.rows, schema=schema)
        return run_card(run, root=str(request.base_url))

    @router.get("/v1/evals/{eval_id}/runs")
    async def list_all(
        eval_id: str,
        request: Request,
        *,
        after: str | None = None,
        limit: str = "20",
        order: str = "asc",
        status: str | None = None,
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        made = await _find_eval(parts, eval_id, caller)
        if status is not None:
            _check_word(status, {state.value for state in RunState}, param="status")
        found = await parts.store.read(partial(eval_runs.list_runs, eval_id=made.eval_id))
        fitting = [run for run in _ordered(found, order) if status in {None, run.state.value}]
        return page_of([run_card(run, root=str(request.base_url)) for run in fitting], after=after, limit=limit)

    @router.get("/v1/evals/{eval_id}/runs/{run_id}")
    async def show(eval_id: str, run_id: str, request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return run_card(await _find_run(parts, eval_id, run_id, caller), root=str(request.base_url))

    @router.post("/v1/evals/{eval_id}/runs/{run_id}")
    @router.post("/v1/evals/{eval_id}/runs/{run_id}/cancel")
    async def cancel(
        eval_id: str, run_id: str, request: Request, caller: Caller = Depends(authorise)
    ) -> dict[str, Any]:
        run = await _find_run(parts, eval_id, run_id, caller)
        return run_card(await parts.eval_runs.cancel(run), root=str(request.base_url))

    @router.delete("/v1/evals/{eval_id}/runs/{run_id}")
    async def delete(eval_id: str, run_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        await parts.eval_runs.delete(await _find_run(parts, eval_id, run_id, caller))
        return {"object": "eval.run.deleted", "deleted": True, "run_id": run_id}


def _add_outputs(router: APIRouter, parts: Parts, authorise: Authority) -> None:
    @router.get("/v1/evals/{eval_id}/runs/{run_id}/output_items")
    async def list_all(
        eval_id: str,
        run_id: str,
        *,
        after: str | None = None,
        limit: str = "20",
        order: str = "asc",
        status: str | None = None,
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        run = await _find_run(parts, eval_id, run_id, caller)
        _check_word(order, {"asc", "desc"}, param="order")
        if status is not None:
            _check_word(status, set(STATUSES), param="status")
        page = await parts.store.read(
            partial(
                eval_outputs.list_outputs,
                run_id=run.run_id,
                status=STATUSES[status] if status else None,
                after=_number(after, run) if after else None,
                limit=page_limit(limit, largest=MAX_PAGE),
                is_newest_first=order == "desc",
            )
        )
        cards = [output_card(output, run=run) for output in page.outputs]
        return {
            "object": "list",
            "data": cards,
            "has_more": page.has_more,
            "first_id": cards[0]["id"] if cards else None,
            "last_id": cards[-1]["id"] if cards else None,
        }

    @router.get("/v1/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}")
    async def show(
        eval_id: str, run_id: str, output_item_id: str, caller: Caller = Depends(authorise)
    ) -> dict[str, Any]:
        run = await _find_run(parts, eval_id, run_id, caller)
        number = number_of(output_item_id, run_id=run.run_id)
        if number is None:
            raise eval_outputs.no_such_output(output_item_id)
        found = partial(eval_outputs.find_output, run_id=run.run_id, number=number)
        return output_card(await parts.store.read(found), run=run)


def _check_graders(parts: Parts, body: EvalBody) -> None:
    """Raises BadParameter for a grader that the settings do not allow, also within a `multi` one."""
    for place, one in enumerate(body.testing_criteria):
        param = f"testing_criteria[{place}]"
        inner = one.graders.items() if isinstance(one, Multi) else ()
        for name, grader in ((param, one), *((f"{param}.graders.{name}", part) for name, part in inner)):
            _check_grader(parts, grader, param=name)


def _check_grader(parts: Parts, grader: Criterion, *, param: str) -> None:
    wanted = parts.settings.evals
    if isinstance(grader, PythonGrader) and not wanted.python:
        raise _refuse(f"{param}.type", "python is not run here", remedy="An operator may set evals.python.")
    if isinstance(grader, ScoreModel | LabelModel):
        judge = find_judge(parts.shelf, wanted.judge_bot)
        if judge is None:
            remedy = "An operator may name a bot with a [judge] in evals.judge_bot."
            raise _refuse(f"{param}.type", "no model grades here", remedy=remedy)
        if grader.model != judge.model:
            raise _refuse(f"{param}.model", "is not the model that grades here", remedy=f"That is {judge.model}.")


def _refuse(param: str, problem: str, *, remedy: str) -> BadParameter:
    return BadParameter(problem, param=param, openai_code="unsupported_parameter", remedy=remedy)


async def _find_eval(parts: Parts, eval_id: str, caller: Caller) -> Eval:
    """Raises NotFound, also where it is somebody else's."""
    if not _may_be_id(eval_id):
        raise evals.no_such_eval(eval_id)
    return await parts.store.read(partial(evals.find_eval, eval_id=eval_id, owner=caller.owner))


async def _find_run(parts: Parts, eval_id: str, run_id: str, caller: Caller) -> EvalRun:
    """Raises NotFound, also where it is another eval's or somebody else's."""
    if not _may_be_id(run_id):
        raise eval_runs.no_such_run(run_id)
    made = await _find_eval(parts, eval_id, caller)
    return await parts.store.read(partial(eval_runs.find_run, run_id=run_id, eval_id=made.eval_id, owner=caller.owner))


def _may_be_id(name: str) -> bool:
    return name.isascii() and name.replace("_", "").isalnum()


def _number(after: str, run: EvalRun) -> int:
    number = number_of(after, run_id=run.run_id)
    if number is None:
        raise BadParameter("is not in the list", param="after", openai_code="invalid_value")
    return number


def _ordered(found: list[T], order: str) -> list[T]:
    _check_word(order, {"asc", "desc"}, param="order")
    return found if order == "asc" else found[::-1]


def _check_word(word: str, known: set[str], *, param: str) -> None:
    if word not in known:
        raise BadParameter(f"must be one of {', '.join(sorted(known))}", param=param, openai_code="invalid_value")
