"""Callers' runs of evals: begun, cancelled, deleted, and gone on with after a restart.

One run of each key is at work at a time, and a few of all keys; which waits longest comes next. What a run is to do and
how far it is stand in the record. Does not know HTTP, nor what a run does (`serve.eval_work`).
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from collect import eval_outputs, eval_runs
from collect.eval_runs import EvalRun, RunError, RunOrder, RunState, Tally
from collect.evals import Eval
from nightschool.errors import NightschoolError
from nightschool.tasks import TasksByName
from serve.eval_rows import Source, lay_rows
from serve.eval_work import Desk, do_run

log = logging.getLogger(__name__)

PREFIX: Final = "evalrun_"
AT_WORK: Final = 4


class EvalRuns:
    """Owns the runs under way. Made by `run_evals`."""

    def __init__(self, desk: Desk, *, tasks: asyncio.TaskGroup) -> None:
        self._desk = desk
        self._tasks = TasksByName(tasks)
        self._places = asyncio.Semaphore(AT_WORK)
        # By owner: whose run is at work. Locks are handed on in the order in which they were asked for.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        # Guards the time between a run's rows and its row in the record, in which `go_on` would take them for a rest.
        self._beginning = asyncio.Lock()

    async def create(
        self, made: Eval, order: RunOrder, *, rows: Iterable[Source], schema: dict[str, Any] | None
    ) -> EvalRun:
        """A new run over these rows, which goes on by itself. Raises InvalidInput, InvalidFile, TooManyRequests."""
        desk = self._desk
        run_id = PREFIX + uuid4().hex
        file = desk.home.eval_rows(run_id)
        lay = partial(lay_rows, rows, file, temp=desk.home.temp, schema=schema, most=desk.limits.rows)
        async with self._beginning:
            laid = await asyncio.to_thread(lay)
            order = order.model_copy(update=laid._asdict())
            run = EvalRun(run_id, made.eval_id, made.owner, RunState.QUEUED, order, Tally(), None, desk.now())
            try:
                await desk.store.write(partial(eval_runs.add_run, run=run, limits=desk.limits))
            except NightschoolError:
                file.unlink()
                raise
            self._tasks.start(run.run_id, self._work(run))
        return run

    async def cancel(self, run: EvalRun) -> EvalRun:
        """Raises InvalidInput where it is over."""
        canceled = await self._move(run, RunState.CANCELED)
        await self._tasks.stop(run.run_id)
        self._desk.home.eval_rows(run.run_id).unlink(missing_ok=True)
        return canceled

    async def delete(self, run: EvalRun) -> None:
        """With all that it came to."""
        await self._end_for_good(run.run_id)
        await self._desk.store.write(partial(eval_outputs.delete_run_whole, run_id=run.run_id))

    async def delete_eval(self, made: Eval) -> None:
        """With its runs."""
        for run in await self._desk.store.read(partial(eval_runs.list_runs, eval_id=made.eval_id)):
            await self._end_for_good(run.run_id)
        await self._desk.store.write(partial(eval_outputs.delete_eval_whole, eval_id=made.eval_id))

    async def go_on(self) -> None:
        """With the runs that a dead server left unfinished; rows of those that are over are removed."""
        async with self._beginning:
            unfinished = await self._desk.store.read(eval_runs.unfinished_runs)
            for run in unfinished:
                if run.run_id not in self._tasks.names:
                    log.info("run=%s goes on", run.run_id)
                    self._tasks.start(run.run_id, self._work(run))
            kept = {run.run_id for run in unfinished} | self._tasks.names
            await asyncio.to_thread(_remove_others, self._desk.home.evals, kept)

    async def close(self) -> None:
        """Stop the runs in flight; the next start goes on with them."""
        await self._tasks.stop_all()

    async def _end_for_good(self, run_id: str) -> None:
        await self._tasks.stop(run_id)
        self._desk.home.eval_rows(run_id).unlink(missing_ok=True)

    async def _move(self, run: EvalRun, to: RunState, *, error: RunError | None = None) -> EvalRun:
        return await self._desk.store.write(
            partial(eval_runs.move_run, run_id=run.run_id, to=to, at=self._desk.now(), error=error)
        )

    async def _work(self, run: EvalRun) -> None:
        """The run to its end, from wherever it stands. Raises nothing: the record says why it failed."""
        try:
            async with self._turns[run.owner], self._places:
                if run.state is RunState.QUEUED:
                    run = await self._move(run, RunState.IN_PROGRESS)
                await do_run(self._desk, run)
                await self._move(run, RunState.COMPLETED)
            self._desk.home.eval_rows(run.run_id).unlink(missing_ok=True)
        except NightschoolError as error:
            log.warning("run=%s failed: %s", run.run_id, error)
            await self._fail(run, RunError(code=error.code, message=str(error)))
        except Exception:
            # A fault of ours ends the run, not the server.
            log.exception("run=%s failed", run.run_id)
            await self._fail(run, RunError(code="internal_error", message="The server's log has the details."))

    async def _fail(self, run: EvalRun, error: RunError) -> None:
        try:
            await self._move(run, RunState.FAILED, error=error)
        except NightschoolError as why:
            log.error("run=%s that it failed was not recorded: %s", run.run_id, why)
        else:
            self._desk.home.eval_rows(run.run_id).unlink(missing_ok=True)


def _remove_others(folder: Path, kept: set[str]) -> None:
    for file in folder.glob("*.jsonl"):
        if file.stem not in kept:
            file.unlink()


@asynccontextmanager
async def run_evals(desk: Desk) -> AsyncIterator[EvalRuns]:
    """The runs for the length of the block; the next start goes on with what its end cut off."""
    async with asyncio.TaskGroup() as tasks:
        found = EvalRuns(desk, tasks=tasks)
        try:
            yield found
        finally:
            await found.close()
