"""Put together what callers' jobs and runs of evals work with: the nights' own queue and board, the settings' limits.

Does not know what a job does (`deploy.job_work`), nor a run (`serve.eval_work`).
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

from collect.eval_runs import RunLimits
from collect.store import Store
from deploy.job_work import Workshop
from deploy.jobs import Jobs, run_jobs
from deploy.rollout import Rollout
from deploy.schedule import Nights
from deploy.training import Means
from eval.graders.grade import Tools
from nightschool.bots import BotShelf
from nightschool.engine import Engine
from nightschool.knowledge import Search, find_nothing
from nightschool.records import utc_now
from nightschool.settings import Settings
from serve.budget import Fit, fit_nothing
from serve.eval_answers import Answerers
from serve.eval_judge import ask_by
from serve.eval_runs import EvalRuns, run_evals
from serve.eval_work import Desk
from serve.files import RESULTS, CallersFiles
from serve.tuned import TunedModels


def open_jobs(
    settings: Settings,
    store: Store,
    rollout: Rollout,
    nights: Nights,
    files: CallersFiles,
    *,
    base_model: str,
    training: Means = Means(),
    command: Sequence[str] | None = None,
    now: Callable[[], datetime] = utc_now,
) -> AbstractAsyncContextManager[Jobs]:
    """The jobs for the length of the block. `command` is started instead of the trainer."""

    async def keep_result(file: Path, filename: str, owner: str) -> str:
        about = {"format": "csv"}
        return (await files.keep(file, filename=filename, purpose=RESULTS, owner=owner, about=about)).file_id

    shop = Workshop(
        store=store,
        rollout=rollout,
        home=settings.paths,
        base_model=base_model,
        queue=nights.queue,
        board=nights.board,
        keep_result=keep_result,
        training=training,
        training_timeout_s=settings.night.training_timeout_s,
        max_lora_rank=settings.engine.max_lora_rank,
        context_tokens=settings.engine.max_model_len,
        organisation=settings.fine_tuning.organisation,
        max_unfinished=settings.fine_tuning.max_key_jobs,
        command=command,
        now=now,
    )
    return run_jobs(shop)


@asynccontextmanager
async def open_evals(
    settings: Settings,
    store: Store,
    engine: Engine,
    rollout: Rollout,
    *,
    shelf: BotShelf,
    tuned: TunedModels,
    search: Search = find_nothing,
    fit: Fit = fit_nothing,
    are_people_waiting: Callable[[], bool],
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[EvalRuns]:
    """Runs of callers' evals for the length of the block."""
    limits = settings.evals
    slots = asyncio.Semaphore(limits.in_flight)
    ended = threading.Event()
    pool = ThreadPoolExecutor(limits.in_flight, thread_name_prefix="grader")
    desk = Desk(
        store=store,
        home=settings.paths,
        answerers=Answerers(engine, rollout, shelf, tuned, search, fit, slots, are_people_waiting),
        limits=RunLimits(limits.max_run_rows, limits.max_key_runs, limits.max_key_bytes),
        tools=Tools(ask_by(shelf, limits.judge_bot, ended=ended), limits.python),
        pool=pool,
        now=now,
    )
    try:
        async with run_evals(desk) as runs:
            yield runs
    finally:
        ended.set()
        pool.shutdown(wait=False, cancel_futures=True)
