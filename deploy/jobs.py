"""Callers' jobs: trainings like a night's, by the same trainer and queue, each to a model of a lineage of its own.

Begins, stops and fails them. What a job is to do and how far it is stand in the record, so it survives the server in
any of its states. Does not know HTTP, who may order what, nor what a job's steps are (`deploy.job_work`).
"""

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from collect import jobs
from collect.jobs import Job, JobError, JobOrder, JobOutcome, JobState
from deploy.job_checkpoints import Checkpoint, list_checkpoints
from deploy.job_work import PREFIX, Workshop, do_job
from nightschool.errors import NightschoolError
from nightschool.tasks import TasksByName

log = logging.getLogger(__name__)


class Jobs:
    """Owns the jobs under way. Made by `run_jobs`."""

    def __init__(self, shop: Workshop, *, tasks: asyncio.TaskGroup) -> None:
        self._shop = shop
        self._tasks = TasksByName(tasks)
        # Guards the time between a job's folder and its row, in which `go_on` would take it for a rest.
        self._beginning = asyncio.Lock()

    async def create(self, order: JobOrder, *, owner: str, training: Path, validation: Path | None) -> Job:
        """A new job, which goes on by itself, also where nobody waits for it any more. Raises TooManyRequests."""
        job = Job(PREFIX + uuid4().hex[:24], owner, JobState.VALIDATING, order, JobOutcome(), self._shop.now())
        # Cut off in the middle it would leave a folder without a row, or a row that nobody works on.
        await asyncio.shield(self._begin(job, training, validation))
        return job

    async def pause(self, job: Job) -> Job:
        """Raises InvalidInput where it is over, or paused already."""
        return await self._stop(job, JobState.PAUSED, "Fine-tuning job paused")

    async def cancel(self, job: Job) -> Job:
        """Raises InvalidInput where it is over."""
        cancelled = await self._stop(job, JobState.CANCELLED, "Fine-tuning job cancelled")
        await asyncio.to_thread(shutil.rmtree, self._shop.folder(job).root, ignore_errors=True)
        return cancelled

    async def resume(self, job: Job) -> Job:
        """Raises InvalidInput where it is not paused."""
        resumed = await self._shop.move(job, JobState.QUEUED, "Fine-tuning job resumed and queued")
        await self._tasks.stop(job.job_id)
        self._tasks.start(resumed.job_id, self._work(resumed))
        return resumed

    async def checkpoints(self, job: Job) -> list[Checkpoint]:
        """The latest one first, also while the job runs."""
        return await list_checkpoints(self._shop, job)

    async def go_on(self) -> None:
        """With the jobs that a dead server left unfinished; what it left of those that are over is removed."""
        async with self._beginning:
            unfinished = await self._shop.store.read(jobs.unfinished_jobs)
            for job in unfinished:
                if job.state is not JobState.PAUSED and job.job_id not in self._tasks.names:
                    log.info("job=%s goes on", job.job_id)
                    self._tasks.start(job.job_id, self._work(job))
            kept = {job.job_id for job in unfinished} | self._tasks.names
            await asyncio.to_thread(_remove_others, self._shop.home.jobs, kept)

    async def close(self) -> None:
        """Stop the jobs in flight; the next start goes on with them."""
        async with self._beginning:
            await self._tasks.stop_all()

    async def _begin(self, job: Job, training: Path, validation: Path | None) -> None:
        shop, folder = self._shop, self._shop.folder(job)
        async with self._beginning:
            try:
                await asyncio.to_thread(folder.take, training, validation)
                await shop.store.write(partial(jobs.add_job, job=job, max_unfinished=shop.max_unfinished))
            except (NightschoolError, OSError):
                shutil.rmtree(folder.root, ignore_errors=True)
                raise
            self._tasks.start(job.job_id, self._work(job))

    async def _stop(self, job: Job, to: JobState, message: str) -> Job:
        stopped = await self._shop.move(job, to, message)
        await self._tasks.stop(job.job_id)
        return stopped

    async def _work(self, job: Job) -> None:
        """The job to its end, from wherever it stands. Raises nothing: the record says why it failed."""
        try:
            await do_job(self._shop, job)
        except NightschoolError as error:
            log.warning("job=%s failed: %s", job.job_id, error)
            await self._fail(job, JobError(code=error.code, message=str(error), param=error.param))
        except OSError as error:
            log.exception("job=%s failed", job.job_id)
            await self._fail(job, JobError(code="disk", message=f"A file could not be read or written ({error})."))
        except Exception:
            # A fault of ours ends the job, not the server.
            log.exception("job=%s failed", job.job_id)
            await self._fail(job, JobError(code="internal_error", message="The server's log has the details."))

    async def _fail(self, job: Job, error: JobError) -> None:
        outcome = job.outcome.model_copy(update={"error": error})
        try:
            await self._shop.move(job, JobState.FAILED, error.message, outcome=outcome)
        except NightschoolError as why:
            log.error("job=%s that it failed was not recorded: %s", job.job_id, why)


def _remove_others(folder: Path, kept: set[str]) -> None:
    for job in folder.glob(f"{PREFIX}*"):
        if job.name not in kept:
            shutil.rmtree(job, ignore_errors=True)


@asynccontextmanager
async def run_jobs(shop: Workshop) -> AsyncIterator[Jobs]:
    """The jobs for the length of the block; the next start goes on with what its end cut off."""
    async with asyncio.TaskGroup() as tasks:
        found = Jobs(shop, tasks=tasks)
        try:
            yield found
        finally:
            await found.close()
