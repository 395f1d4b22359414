"""Trainings that callers ordered: which there are, how far each is, and what was told of it. Each is its owner's alone.

A job's state only moves along `MOVES`, and every move comes with its event. Does not know how anything is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound, TooManyRequests


class JobState(StrEnum):
    """In OpenAI's words."""

    VALIDATING = "validating_files"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        return not MOVES[self]


_ENDS: Final = frozenset({JobState.FAILED, JobState.CANCELLED})
MOVES: Final[Mapping[JobState, frozenset[JobState]]] = MappingProxyType(
    {
        JobState.VALIDATING: _ENDS | {JobState.QUEUED, JobState.PAUSED},
        JobState.QUEUED: _ENDS | {JobState.RUNNING, JobState.PAUSED},
        JobState.RUNNING: _ENDS | {JobState.SUCCEEDED, JobState.PAUSED},
        JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
        JobState.SUCCEEDED: frozenset(),
        JobState.FAILED: frozenset(),
        JobState.CANCELLED: frozenset(),
    }
)

Method = Literal["supervised", "dpo", "kto"]


class Hyperparameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: float | None = None
    """Of `dpo` and `kto`."""


class JobOrder(BaseModel):
    """What a caller wants; nothing of it changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    """As the caller named it."""
    start: str = ""
    """Folder of the adapter it goes on from, in the data folder; empty: the base model."""
    training_file: str
    validation_file: str | None = None
    method: Method
    hyperparameters: Hyperparameters
    seed: int
    suffix: str | None = None
    metadata: dict[str, str] = {}


class JobError(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    message: str
    param: str | None = None


class JobOutcome(BaseModel):
    """What came of it, so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: JobError | None = None
    trained_tokens: int | None = None
    model: str | None = None
    result_file: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    job_id: str
    owner: str
    state: JobState
    order: JobOrder
    outcome: JobOutcome
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobEvent:
    number: int
    happened_at: datetime
    level: Literal["info", "error"]
    message: str
    step: int | None = None
    """Of the training, where it tells of one."""
    data_json: str = "{}"


COLUMNS: Final = "job_id, owner, state, order_json, outcome_json, created_at, started_at, finished_at"
"""Of a job, in the order of its fields."""
ADD: Final = """
insert into jobs (job_id, owner, state, order_json, outcome_json, created_at)
values ($job_id, $owner, $state, $order_json, $outcome_json, $created_at)
"""
ONE: Final = f"""
select {COLUMNS}
from jobs where job_id = $job_id and ($owner is null or owner = $owner)
"""
LIST: Final = f"""
select {COLUMNS}
from jobs where $owner is null or owner = $owner
order by created_at desc, job_id
"""
UNFINISHED: Final = f"""
select {COLUMNS}
from jobs where state in ('validating_files', 'queued', 'running', 'paused') and ($owner is null or owner = $owner)
order by created_at, job_id
"""
MOVE: Final = """
update jobs set state = $state, outcome_json = $outcome_json, started_at = coalesce(started_at, $started_at),
    finished_at = $finished_at
where job_id = $job_id
"""
NEXT_NUMBER: Final = "select coalesce(max(number), 0) + 1 from job_events where job_id = $job_id"
LAST_STEP: Final = "select coalesce(max(step), 0) from job_events where job_id = $job_id"
TELL: Final = """
insert into job_events (job_id, number, happened_at, level, message, step, data_json)
values ($job_id, $number, $happened_at, $level, $message, $step, $data_json)
"""
EVENTS: Final = """
select number, happened_at, level, message, step, data_json
from job_events where job_id = $job_id and number > $after order by number
"""


def add_job(cursor: Cursor, *, job: Job, max_unfinished: int) -> Job:
    """Raises TooManyRequests where the owner has `max_unfinished` jobs that are not over."""
    waiting = len(unfinished_jobs(cursor, owner=job.owner))
    if waiting >= max_unfinished:
        raise TooManyRequests(
            f"has {waiting} jobs that are not over, and may have {max_unfinished}",
            subject="API key",
            remedy="Wait for one to end, or cancel one.",
        )
    cursor.execute(
        ADD,
        {
            "job_id": job.job_id,
            "owner": job.owner,
            "state": job.state,
            "order_json": job.order.model_dump_json(),
            "outcome_json": job.outcome.model_dump_json(),
            "created_at": job.created_at,
        },
    )
    tell(cursor, job_id=job.job_id, message=f"Created fine-tuning job: {job.job_id}", at=job.created_at)
    return job


def find_job(cursor: Cursor, *, job_id: str, owner: str | None) -> Job:
    """Raises NotFound, also where it is somebody else's; `owner` None is an operator's look."""
    row = cursor.execute(ONE, {"job_id": job_id, "owner": owner}).fetchone()
    if row is None:
        raise no_such_job(job_id)
    return _job(row)


def list_jobs(cursor: Cursor, *, owner: str | None = None) -> list[Job]:
    """Newest first."""
    return [_job(row) for row in cursor.execute(LIST, {"owner": owner}).fetchall()]


def unfinished_jobs(cursor: Cursor, *, owner: str | None = None) -> list[Job]:
    """Oldest first."""
    return [_job(row) for row in cursor.execute(UNFINISHED, {"owner": owner}).fetchall()]


def move_job(
    cursor: Cursor, *, job_id: str, to: JobState, message: str, at: datetime, outcome: JobOutcome | None = None
) -> Job:
    """The job in its new state. Raises InvalidInput where `MOVES` has no such move."""
    job = find_job(cursor, job_id=job_id, owner=None)
    if to not in MOVES[job.state]:
        raise InvalidInput(
            f"is {job.state}, from where it cannot become {to}", subject=job_id, remedy="GET it to see its status."
        )
    cursor.execute(
        MOVE,
        {
            "job_id": job_id,
            "state": to,
            "outcome_json": (outcome or job.outcome).model_dump_json(),
            "started_at": at if to is JobState.RUNNING else None,
            "finished_at": at if to.is_over else None,
        },
    )
    tell(cursor, job_id=job_id, message=message, at=at, level="error" if to is JobState.FAILED else "info")
    return find_job(cursor, job_id=job_id, owner=None)


def tell(
    cursor: Cursor,
    *,
    job_id: str,
    message: str,
    at: datetime,
    level: Literal["info", "error"] = "info",
    step: int | None = None,
    data_json: str = "{}",
) -> None:
    row = cursor.execute(NEXT_NUMBER, {"job_id": job_id}).fetchone()
    told = {"job_id": job_id, "number": row[0] if row else 1, "happened_at": at, "level": level, "message": message}
    cursor.execute(TELL, told | {"step": step, "data_json": data_json})


def last_told_step(cursor: Cursor, *, job_id: str) -> int:
    row = cursor.execute(LAST_STEP, {"job_id": job_id}).fetchone()
    return int(row[0]) if row else 0


def list_job_events(cursor: Cursor, *, job_id: str, after: int = 0) -> Sequence[JobEvent]:
    """Those behind number `after`, oldest first."""
    rows = cursor.execute(EVENTS, {"job_id": job_id, "after": after}).fetchall()
    return [JobEvent(row[0], row[1].astimezone(UTC), row[2], row[3], row[4], row[5]) for row in rows]


def no_such_job(job_id: str) -> NotFound:
    return NotFound(
        "does not exist or is not yours",
        subject=f"job {job_id[:80]!r}",
        remedy="GET /v1/fine_tuning/jobs lists yours.",
    )


def _job(row: tuple[Any, ...]) -> Job:
    started_at, finished_at = (at.astimezone(UTC) if at else None for at in row[6:8])
    return Job(
        row[0], row[1], JobState(row[2]), JobOrder.model_validate_json(row[3]),
        JobOutcome.model_validate_json(row[4]), row[5].astimezone(UTC), started_at, finished_at,
    )  # fmt: skip
