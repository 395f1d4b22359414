"""Put together what callers' jobs work with: the nights' own queue and board, the settings' limits.

Does not know what a job does (`deploy.job_work`).
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path

from collect.store import Store
from deploy.job_work import Workshop
from deploy.jobs import Jobs, run_jobs
from deploy.rollout import Rollout
from deploy.schedule import Nights
from deploy.training import Means
from nightschool.records import utc_now
from nightschool.settings import Settings
from serve.files import RESULTS, CallersFiles


def open_jobs(
    settings: Settings,
    store: Store,
    rollout: Rollout,
    nights: Nights,
    files: CallersFiles,
    *,
    base_model: str,
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
        training=Means(settings.night.training_memory_gib, settings.night.gpus),
        training_timeout_s=settings.night.training_timeout_s,
        max_lora_rank=settings.engine.max_lora_rank,
        context_tokens=settings.engine.max_model_len,
        organisation=settings.fine_tuning.organisation,
        max_unfinished=settings.fine_tuning.max_key_jobs,
        command=command,
        now=now,
    )
    return run_jobs(shop)
