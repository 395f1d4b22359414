"""A job's state moves along its table and no other way, and each move is told."""

from datetime import UTC, datetime

import pytest

from collect import jobs
from collect.jobs import MOVES, Hyperparameters, Job, JobOrder, JobOutcome, JobState
from collect.store import Cursor
from nightschool.errors import InvalidInput, NotFound, TooManyRequests

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = JobOrder(
    model="base",
    training_file="file-1",
    method="supervised",
    hyperparameters=Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1),
    seed=1,
)


def job_in(cursor: Cursor, state: JobState, *, owner: str = "key:a", most: int = 99) -> Job:
    job_id = f"ftjob-{owner[-1]}-{state}"
    return jobs.add_job(cursor, job=Job(job_id, owner, state, ORDER, JobOutcome(), AT), max_unfinished=most)


@pytest.mark.parametrize("before", JobState)
@pytest.mark.parametrize("to", JobState)
def test_every_move_is_in_the_table(cursor: Cursor, before: JobState, to: JobState) -> None:
    job = job_in(cursor, before)
    if to not in MOVES[before]:
        with pytest.raises(InvalidInput, match=f"is {before}"):
            jobs.move_job(cursor, job_id=job.job_id, to=to, message="no", at=AT)
        assert jobs.find_job(cursor, job_id=job.job_id, owner=job.owner).state is before
        return
    moved = jobs.move_job(cursor, job_id=job.job_id, to=to, message="yes", at=AT)
    assert (moved.state, moved.finished_at is not None) == (to, to.is_over)
    assert [event.message for event in jobs.list_job_events(cursor, job_id=job.job_id)][-1] == "yes"


def test_what_is_over_stays_so() -> None:
    assert {state for state in JobState if state.is_over} == {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}
    assert all(JobState.VALIDATING not in moves for moves in MOVES.values())


def test_a_key_has_so_many_jobs_at_once_and_sees_its_own(cursor: Cursor) -> None:
    job_in(cursor, JobState.RUNNING, most=2)
    job_in(cursor, JobState.PAUSED, most=2)
    with pytest.raises(TooManyRequests, match="has 2 jobs"):
        job_in(cursor, JobState.QUEUED, most=2)
    other = job_in(cursor, JobState.QUEUED, owner="key:b", most=2)
    assert [job.job_id for job in jobs.list_jobs(cursor, owner="key:b")] == [other.job_id]
    with pytest.raises(NotFound):
        jobs.find_job(cursor, job_id=other.job_id, owner="key:a")
    assert jobs.find_job(cursor, job_id=other.job_id, owner=None) == other
