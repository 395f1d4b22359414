"""One run of an eval: each row answered where that was ordered, graded by every criterion, and kept.

Rows are taken some at a time, and what was kept is not done again: a run that was cut off goes on where it stopped. A
row that cannot be graded is an error of its own and ends nothing. Does not know who may order a run
(`serve.api.evals`), nor when one begins (`serve.eval_runs`).
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter

from collect import completions_log, eval_outputs, evals
from collect.eval_outputs import Done, Output, Status
from collect.eval_runs import EvalRun, RunLimits, Usage
from collect.store import Store
from eval.answers import gather_or_first_failure
from eval.graders.criteria import CRITERIA, Criterion
from eval.graders.grade import Grade, Tools, grade
from eval.graders.rows import EvalRow
from eval.graders.template import Ungraded
from nightschool.errors import EvaluationFailed, InvalidInput, Unavailable
from nightschool.home import Home
from nightschool.records import utc_now
from serve.eval_answers import Answerer, Answerers, sample
from serve.eval_rows import LaidRow, LaidRows, row_of_logged

log = logging.getLogger(__name__)

ROWS_AT_ONCE: Final = 32
"""Kept in one transaction."""
PAUSES_S: Final = (2.0, 10.0, 60.0, 300.0)
"""Before each further try to have a row answered by an engine that is away."""
ASKED: Final[TypeAdapter[list[Any] | str]] = TypeAdapter(list[Any] | str)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every run works with."""

    store: Store
    home: Home
    answerers: Answerers
    limits: RunLimits
    tools: Tools
    pool: Executor
    """Grades, apart from the threads that answer callers."""
    pauses_s: Sequence[float] = PAUSES_S
    now: Callable[[], datetime] = utc_now


class _Sampled(NamedTuple):
    values: Mapping[str, Any] | None
    card: Mapping[str, Any] | None
    usage: Mapping[str, Usage]


async def do_run(desk: Desk, run: EvalRun) -> None:
    """The run from wherever it stands to its last row. Raises what the engine raises for good."""
    made = await desk.store.read(partial(evals.find_eval, eval_id=run.eval_id, owner=run.owner))
    criteria = CRITERIA.validate_json(made.criteria_json)
    done = await desk.store.read(partial(eval_outputs.done_numbers, run_id=run.run_id))
    who = await desk.answerers.find(run.order.generation) if run.order.generation else None
    file = desk.home.eval_rows(run.run_id)
    if not file.exists():
        raise EvaluationFailed(
            "has no rows any more", subject=run.run_id, remedy="No backup holds them: order it anew."
        )
    rows = LaidRows(file)
    try:
        while laid := await asyncio.to_thread(rows.next, ROWS_AT_ONCE, but=done):
            some = await _with_logged(desk, run, laid)
            finished = await gather_or_first_failure(
                [_do_row(desk, run, one, who=who, criteria=criteria) for one in some]
            )
            await desk.store.write(partial(eval_outputs.keep_outputs, run_id=run.run_id, done=finished))
    finally:
        rows.close()


async def _with_logged(desk: Desk, run: EvalRun, laid: Sequence[LaidRow]) -> list[LaidRow]:
    """The rows, recorded answers too, but those that are erased by now."""
    wanted = [one.message_id for one in laid if one.message_id]
    if not wanted:
        return list(laid)
    found = await desk.store.read(partial(completions_log.completions_by_id, owner=run.owner, ids=wanted))
    logged = {message_id: row_of_logged(one) for message_id, one in found.items()}
    return [one._replace(row=logged.get(one.message_id)) if one.message_id else one for one in laid]


async def _do_row(
    desk: Desk, run: EvalRun, laid: LaidRow, *, who: Answerer | None, criteria: Sequence[Criterion]
) -> Done:
    row = laid.row or EvalRow({})
    try:
        if laid.row is None:
            raise Ungraded("the answer is not in the record any more")
        sampled = await _sample(desk, run, who, row)
    except (Ungraded, InvalidInput) as why:
        error = {"code": getattr(why, "code", "invalid_value"), "message": str(why)}
        sampled = _Sampled(None, {"error": error}, {})
        grades = [Grade(one.name, one.type, 0.0, False, "there is no answer to grade") for one in criteria]
    else:
        values = {"item": row.item} | ({} if sampled.values is None else {"sample": sampled.values})
        grading = partial(_grade_all, criteria, values, desk.tools)
        grades = await asyncio.get_running_loop().run_in_executor(desk.pool, grading)
    output = Output(
        run_id=run.run_id,
        number=laid.number,
        status=_status_of(grades),
        item_json=json.dumps(row.item),
        sample_json=json.dumps(sampled.card),
        results_json=json.dumps([result_card(one) for one in grades]),
        created_at=desk.now(),
        # Of one that is erased there is nothing in it to be forgotten.
        message_id=laid.message_id if laid.row else None,
    )
    return Done(output, {one.name: _status_of([one]) for one in grades}, sampled.usage)


async def _sample(desk: Desk, run: EvalRun, who: Answerer | None, row: EvalRow) -> _Sampled:
    """What is graded: an answer made for the row, or what lies beside it. Raises Ungraded, InvalidInput, and what the
    engine raises for good."""
    order = run.order.generation
    if order is None:
        return _Sampled(row.sample, row.sample and lying_card(row.sample), {})
    asked = ASKED.validate_json(order.messages_json)
    for pause_s in (*desk.pauses_s, None):
        try:
            # Found anew after a failure: an engine that was started again has to load it first.
            who = who or await desk.answerers.find(order)
            made = await sample(desk.answerers, who, order, row.item, asked=asked)
        except Unavailable as error:
            if pause_s is None:
                raise
            log.info("run=%s asks again in %g s: %s", run.run_id, pause_s, error)
            who = None
            await asyncio.sleep(pause_s)
        else:
            return _Sampled(made.values, made.card, {order.model: made.usage})
    raise AssertionError("the last try returns or raises")


def _grade_all(criteria: Sequence[Criterion], values: Mapping[str, Any], tools: Tools) -> list[Grade]:
    return [grade(criterion, values, tools) for criterion in criteria]


def _status_of(grades: Sequence[Grade]) -> Status:
    if any(one.error for one in grades):
        return "error"
    return "pass" if all(one.passed for one in grades) else "fail"


def result_card(one: Grade) -> dict[str, Any]:
    """As OpenAI tells it, and beside it why there is none."""
    card: dict[str, Any] = {"name": one.name, "type": one.type, "score": one.score, "passed": one.passed}
    if one.reply:
        card["sample"] = {"output": [{"role": "assistant", "content": one.reply}]}
    return card | ({"error": one.error} if one.error else {})


def lying_card(given: Mapping[str, Any]) -> dict[str, Any]:
    """A sample as OpenAI tells it, of one that came with its row."""
    text = given.get("output_text")
    return {
        "model": given.get("model"),
        "input": given.get("input", []),
        "output": [{"role": "assistant", "content": text}] if isinstance(text, str) else [],
        "finish_reason": given.get("finish_reason"),
        "usage": given.get("usage"),
        "error": None,
        "temperature": None,
        "top_p": None,
        "max_completion_tokens": None,
        "seed": None,
    }
