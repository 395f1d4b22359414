"""Runs of callers' evals: which there are, and how far each is. Each is its owner's alone.

A run's state only moves along `MOVES`. What its rows came to is `collect.eval_outputs`'. Does not know how anything is
graded or answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from collect.evals import find_eval
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound, TooManyRequests
from nightschool.records import Sampling


class RunState(StrEnum):
    """In OpenAI's words."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"

    @property
    def is_over(self) -> bool:
        return not MOVES[self]


_ENDS: Final = frozenset({RunState.FAILED, RunState.CANCELED})
MOVES: Final[Mapping[RunState, frozenset[RunState]]] = MappingProxyType(
    {
        RunState.QUEUED: _ENDS | {RunState.IN_PROGRESS},
        RunState.IN_PROGRESS: _ENDS | {RunState.COMPLETED},
        RunState.COMPLETED: frozenset(),
        RunState.FAILED: frozenset(),
        RunState.CANCELED: frozenset(),
    }
)


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Generation(_Kept):
    """Answers that a run has made."""

    model: str
    """As the caller named it."""
    bot: str
    version: int | None
    """Who answers every row, chosen when the run was ordered; None: the base model."""
    messages_json: str
    """What is asked for each row."""
    sampling: Sampling


class RunOrder(_Kept):
    """What a caller wants; nothing of it changes."""

    name: str
    source_json: str
    """Where its rows came from, as it is told; not the rows."""
    metadata: dict[str, str]
    rows: int
    size_bytes: int = 0
    """Of the rows."""
    generation: Generation | None = None
    """None where rows are graded as they lie."""


class Usage(_Kept):
    """Of one model."""

    invocations: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


class CriterionTally(_Kept):
    passed: int = 0
    failed: int = 0
    errored: int = 0


class Tally(_Kept):
    """Of the rows that are done."""

    passed: int = 0
    failed: int = 0
    errored: int = 0
    criteria: dict[str, CriterionTally] = {}
    usage: dict[str, Usage] = {}


class RunError(_Kept):
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class EvalRun:
    run_id: str
    eval_id: str
    owner: str
    state: RunState
    order: RunOrder
    tally: Tally
    error: RunError | None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


class RunLimits(NamedTuple):
    rows: int
    """Of one run."""
    unfinished: int
    """Runs of one owner."""
    size_bytes: int
    """Of the rows of all runs of one owner."""


COLUMNS: Final = (
    "run_id, eval_id, owner, state, order_json, tally_json, error_json, created_at, started_at, finished_at"
)
"""Of a run, in the order of its fields."""
ADD: Final = """
insert into eval_runs (run_id, eval_id, owner, state, order_json, tally_json, created_at)
values ($run_id, $eval_id, $owner, $state, $order_json, $tally_json, $created_at)
"""
ONE: Final = f"""
select {COLUMNS}
from eval_runs where run_id = $run_id
"""
LIST: Final = f"""
select {COLUMNS}
from eval_runs where $eval_id is null or eval_id = $eval_id
order by created_at, run_id
"""
UNFINISHED: Final = f"""
select {COLUMNS}
from eval_runs where state in ('queued', 'in_progress') and ($owner is null or owner = $owner)
order by created_at, run_id
"""
OF_OWNER: Final = f"""
select {COLUMNS}
from eval_runs where owner = $owner
"""
MOVE: Final = """
update eval_runs set state = $state, error_json = $error_json, started_at = coalesce(started_at, $started_at),
    finished_at = $finished_at
where run_id = $run_id
"""
DELETE: Final = "delete from eval_runs where run_id = $run_id"


def add_run(cursor: Cursor, *, run: EvalRun, limits: RunLimits) -> EvalRun:
    """Raises NotFound where the eval is gone, TooManyRequests where the owner has too much already."""
    find_eval(cursor, eval_id=run.eval_id, owner=run.owner)
    _check_limits([_run(row) for row in cursor.execute(OF_OWNER, {"owner": run.owner}).fetchall()], run, limits)
    cursor.execute(
        ADD,
        {
            "run_id": run.run_id,
            "eval_id": run.eval_id,
            "owner": run.owner,
            "state": run.state,
            "order_json": run.order.model_dump_json(),
            "tally_json": run.tally.model_dump_json(),
            "created_at": run.created_at,
        },
    )
    return run


def find_run(cursor: Cursor, *, run_id: str, eval_id: str | None = None, owner: str | None = None) -> EvalRun:
    """Raises NotFound, also where it is another eval's or somebody else's."""
    row = cursor.execute(ONE, {"run_id": run_id}).fetchone()
    run = None if row is None else _run(row)
    if run is None or eval_id not in {None, run.eval_id} or owner not in {None, run.owner}:
        raise no_such_run(run_id)
    return run


def list_runs(cursor: Cursor, *, eval_id: str | None = None) -> list[EvalRun]:
    """Oldest first; of all evals where `eval_id` is None."""
    return [_run(row) for row in cursor.execute(LIST, {"eval_id": eval_id}).fetchall()]


def unfinished_runs(cursor: Cursor, *, owner: str | None = None) -> list[EvalRun]:
    """Oldest first."""
    return [_run(row) for row in cursor.execute(UNFINISHED, {"owner": owner}).fetchall()]


def move_run(cursor: Cursor, *, run_id: str, to: RunState, at: datetime, error: RunError | None = None) -> EvalRun:
    """The run in its new state. Raises NotFound, and InvalidInput where `MOVES` has no such move."""
    run = find_run(cursor, run_id=run_id)
    if to not in MOVES[run.state]:
        raise InvalidInput(
            f"is {run.state}, from where it cannot become {to}", subject=run_id, remedy="GET it to see its status."
        )
    cursor.execute(
        MOVE,
        {
            "run_id": run_id,
            "state": to,
            "error_json": error.model_dump_json() if error else None,
            "started_at": at if to is RunState.IN_PROGRESS else None,
            "finished_at": at if to.is_over else None,
        },
    )
    return find_run(cursor, run_id=run_id)


def delete_run(cursor: Cursor, *, run_id: str) -> None:
    """The run alone, whose outputs are gone already."""
    cursor.execute(DELETE, {"run_id": run_id})


def no_such_run(run_id: str) -> NotFound:
    return NotFound(
        "does not exist or is not yours",
        subject=f"run {run_id[:80]!r}",
        remedy="GET /v1/evals/ID/runs lists those of an eval of yours.",
    )


def _check_limits(others: Sequence[EvalRun], run: EvalRun, limits: RunLimits) -> None:
    """Raises TooManyRequests."""
    waiting = sum(not other.state.is_over for other in others)
    if waiting >= limits.unfinished:
        raise TooManyRequests(
            f"has {waiting} runs of evals that are not over, and may have {limits.unfinished}",
            subject="API key",
            remedy="Wait for one to end, or cancel one.",
        )
    size_bytes = sum(other.order.size_bytes for other in others)
    if size_bytes + run.order.size_bytes > limits.size_bytes:
        raise TooManyRequests(
            f"has {size_bytes} bytes of rows in its runs, and may have {limits.size_bytes}",
            subject="API key",
            remedy="Delete some runs first (DELETE /v1/evals/ID/runs/ID).",
        )


def _run(row: tuple[Any, ...]) -> EvalRun:
    created_at, started_at, finished_at = (at.astimezone(UTC) if at else None for at in row[7:10])
    assert created_at is not None, "the column is never null"
    return EvalRun(
        run_id=row[0],
        eval_id=row[1],
        owner=row[2],
        state=RunState(row[3]),
        order=RunOrder.model_validate_json(row[4]),
        tally=Tally.model_validate_json(row[5]),
        error=None if row[6] is None else RunError.model_validate_json(row[6]),
        created_at=created_at,
        started_at=started_at,
        finished_at=finished_at,
    )
