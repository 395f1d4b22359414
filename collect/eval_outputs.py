"""What the rows of an eval's run came to, each kept once, and counted in the same transaction.

Does not know what a grade means, nor who may see it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, Final, Literal, NamedTuple

from collect.eval_runs import CriterionTally, RunState, Tally, Usage, delete_run, find_run
from collect.evals import delete_eval
from collect.store import Cursor
from nightschool.errors import NotFound

Status = Literal["pass", "fail", "error"]
"""In OpenAI's words; `error`: what was to be graded could not be."""
_COUNTED: Final[Mapping[Status, str]] = {"pass": "passed", "fail": "failed", "error": "errored"}


@dataclass(frozen=True, slots=True)
class Output:
    run_id: str
    number: int
    """Of the row in its source, from 1."""
    status: Status
    item_json: str
    sample_json: str
    """What was graded, as it is told; `null` where the row came alone."""
    results_json: str
    """A list, a grade for each criterion."""
    created_at: datetime
    message_id: str | None = None
    """Of the recorded answer that is graded; None where the row is the caller's own."""


class Done(NamedTuple):
    """One row's output and what of it is counted."""

    output: Output
    criteria: Mapping[str, Status]
    usage: Mapping[str, Usage]


class Page(NamedTuple):
    outputs: list[Output]
    has_more: bool


COLUMNS: Final = "run_id, number, status, item_json, sample_json, results_json, created_at, message_id"
"""Of an output, in the order of its fields."""
ADD: Final = f"""
insert into eval_outputs ({COLUMNS})
select unnest($run_id::text[]), unnest($number::bigint[]), unnest($status::text[]), unnest($item_json::text[]),
    unnest($sample_json::text[]), unnest($results_json::text[]), unnest($created_at::timestamptz[]),
    unnest($message_id::text[])
"""
NUMBERS: Final = "select number from eval_outputs where run_id = $run_id"
THERE: Final = "select message_id from messages where message_id in (select unnest($ids::text[]))"
COUNT: Final = "update eval_runs set tally_json = $tally_json where run_id = $run_id"
ONE: Final = f"""
select {COLUMNS}
from eval_outputs where run_id = $run_id and number = $number
"""
OLDEST_FIRST: Final = f"""
select {COLUMNS}
from eval_outputs
where run_id = $run_id and ($status is null or status = $status) and ($after is null or number > $after)
order by number limit $limit
"""
NEWEST_FIRST: Final = f"""
select {COLUMNS}
from eval_outputs
where run_id = $run_id and ($status is null or status = $status) and ($after is null or number < $after)
order by number desc limit $limit
"""
DELETE: Final = "delete from eval_outputs where run_id = $run_id"
RUNS_OF: Final = "select run_id from eval_runs where eval_id = $eval_id"
FIELDS: Final = tuple(field.name for field in fields(Output))


def keep_outputs(cursor: Cursor, *, run_id: str, done: Sequence[Done]) -> None:
    """Keep and count what is not kept yet; nothing of a run that is over meanwhile, nor of an answer that was erased
    meanwhile. Raises NotFound."""
    run = find_run(cursor, run_id=run_id)
    if run.state is not RunState.IN_PROGRESS:
        return
    kept = done_numbers(cursor, run_id=run_id)
    graded = [one.output.message_id for one in done if one.output.message_id]
    there = {row[0] for row in cursor.execute(THERE, {"ids": graded}).fetchall()} | {None}
    fresh = [one for one in done if one.output.number not in kept and one.output.message_id in there]
    if fresh:
        cursor.execute(ADD, {name: [getattr(one.output, name) for one in fresh] for name in FIELDS})
        tally = count(run.tally, fresh)
        cursor.execute(COUNT, {"run_id": run_id, "tally_json": tally.model_dump_json()})


def count(tally: Tally, done: Sequence[Done]) -> Tally:
    """The tally with these rows."""
    criteria, usage = dict(tally.criteria), dict(tally.usage)
    rows = dict.fromkeys(_COUNTED.values(), 0)
    for one in done:
        rows[_COUNTED[one.output.status]] += 1
        for name, status in one.criteria.items():
            before = criteria.get(name, CriterionTally())
            field = _COUNTED[status]
            criteria[name] = before.model_copy(update={field: getattr(before, field) + 1})
        for model, used in one.usage.items():
            usage[model] = _add(usage.get(model, Usage()), used)
    counted = {name: getattr(tally, name) + number for name, number in rows.items()}
    return Tally(criteria=criteria, usage=usage, **counted)


def done_numbers(cursor: Cursor, *, run_id: str) -> frozenset[int]:
    return frozenset(number for (number,) in cursor.execute(NUMBERS, {"run_id": run_id}).fetchall())


def find_output(cursor: Cursor, *, run_id: str, number: int) -> Output:
    """Raises NotFound."""
    row = cursor.execute(ONE, {"run_id": run_id, "number": number}).fetchone()
    if row is None:
        raise no_such_output(str(number))
    return _output(row)


def list_outputs(
    cursor: Cursor, *, run_id: str, status: str | None, after: int | None, limit: int, is_newest_first: bool
) -> Page:
    """At most `limit` behind row `after`, by the rows' numbers."""
    asked = {"run_id": run_id, "status": status, "after": after, "limit": limit + 1}
    rows = cursor.execute(NEWEST_FIRST if is_newest_first else OLDEST_FIRST, asked).fetchall()
    return Page([_output(row) for row in rows[:limit]], len(rows) > limit)


def delete_run_whole(cursor: Cursor, *, run_id: str) -> None:
    """A run with all that it came to."""
    cursor.execute(DELETE, {"run_id": run_id})
    delete_run(cursor, run_id=run_id)


def delete_eval_whole(cursor: Cursor, *, eval_id: str) -> None:
    """An eval with its runs and all that they came to."""
    for (run_id,) in cursor.execute(RUNS_OF, {"eval_id": eval_id}).fetchall():
        delete_run_whole(cursor, run_id=run_id)
    delete_eval(cursor, eval_id=eval_id)


def no_such_output(name: str) -> NotFound:
    return NotFound(
        "does not exist or is not done yet",
        subject=f"output item {name[:80]!r}",
        remedy="GET .../output_items lists those of a run.",
    )


def _add(before: Usage, more: Usage) -> Usage:
    return Usage(
        invocations=before.invocations + more.invocations,
        prompt_tokens=before.prompt_tokens + more.prompt_tokens,
        completion_tokens=before.completion_tokens + more.completion_tokens,
    )


def _output(row: tuple[Any, ...]) -> Output:
    return Output(row[0], row[1], row[2], row[3], row[4], row[5], row[6].astimezone(UTC), row[7])
