"""Callers' evals as an operator sees them, below /ops: whose they are, by what they grade, and what their runs came to.

Never a row, nor what was answered: that is its owner's.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from collect import eval_runs, evals
from collect.eval_runs import EvalRun
from collect.evals import Eval
from serve.parts import Parts


class RunView(BaseModel):
    model_config = ConfigDict(frozen=True)

    run: str
    status: str
    model: str
    """Whose answers were made for it; empty where rows were graded as they lie."""
    rows: int
    passed: int
    failed: int
    errored: int
    error: str
    """Why it failed; empty where it did not."""
    created_at: datetime


class EvalView(BaseModel):
    model_config = ConfigDict(frozen=True)

    eval: str
    owner: str
    name: str
    graders: tuple[str, ...]
    created_at: datetime
    runs: tuple[RunView, ...]
    """Oldest first."""


def add_evals(router: APIRouter, parts: Parts) -> None:
    @router.get("/evals")
    async def list_all() -> list[EvalView]:
        found = await parts.store.read(evals.list_evals)
        runs = await parts.store.read(eval_runs.list_runs)
        return [_view(made, runs) for made in found]

    @router.get("/evals/{eval_id}")
    async def show(eval_id: str) -> EvalView:
        made = await parts.store.read(partial(evals.find_eval, eval_id=eval_id))
        return _view(made, await parts.store.read(partial(eval_runs.list_runs, eval_id=eval_id)))


def _view(made: Eval, runs: Sequence[EvalRun]) -> EvalView:
    criteria = json.loads(made.criteria_json)
    return EvalView(
        eval=made.eval_id,
        owner=made.owner,
        name=made.name,
        graders=tuple(f"{one['name']} ({one['type']})" for one in criteria),
        created_at=made.created_at,
        runs=tuple(_run_view(run) for run in runs if run.eval_id == made.eval_id),
    )


def _run_view(run: EvalRun) -> RunView:
    return RunView(
        run=run.run_id,
        status=run.state.value,
        model=run.order.generation.model if run.order.generation else "",
        rows=run.order.rows,
        passed=run.tally.passed,
        failed=run.tally.failed,
        errored=run.tally.errored,
        error=run.error.message if run.error else "",
        created_at=run.created_at,
    )
