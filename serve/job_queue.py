"""Who trains and who waits for the trainer, nights and jobs alike, as the command line and the console show it.

Does not know who is called next: that is the queue's (`deploy.queue`).
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from collect import cycles, jobs
from collect.jobs import Job, JobState
from deploy.job_work import lineage_of
from nightschool.errors import NotFound
from nightschool.records import BotName, utc_now
from serve.parts import Parts
from tune.progress import TrainingProgress

NIGHTS: Final = 20
"""So many are looked at for the bot's last one that trained."""


class QueueRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    place: int | None
    """1 trains; None: it is in no queue, being paused or looked at."""
    kind: Literal["night", "job"]
    name: str
    """The bot's, or the job's id."""
    owner: str
    state: str
    waits_for: str | None
    starts_at: datetime | None
    """About; None where that is not known of it, or of somebody before it."""


async def read_queue(parts: Parts, *, now: Callable[[], datetime] = utc_now) -> list[QueueRow]:
    """In the order of the turns; behind them jobs that are not over and stand in no queue."""
    unfinished = {lineage_of(job): job for job in await parts.store.read(jobs.unfinished_jobs)}
    order = parts.nights.queue.order
    progress = parts.nights.board.shown.get(order[0]) if order else None
    starts_at = now() + timedelta(seconds=progress.eta_s) if progress else None
    rows = [_row(1, order[0], unfinished.get(order[0]), ahead=None, starts_at=None)] if order else []
    for place, bot in enumerate(order[1:], 2):
        rows.append(_row(place, bot, unfinished.get(bot), ahead=order[0], starts_at=starts_at))
        takes = await _length(parts, bot, unfinished.get(bot), progress)
        starts_at = starts_at + takes if starts_at and takes else None
    others = [job for lineage, job in unfinished.items() if lineage not in order]
    return [*rows, *(_put_aside(job) for job in others)]


async def _length(parts: Parts, bot: BotName, job: Job | None, progress: TrainingProgress | None) -> timedelta | None:
    """About how long a training will take: a job's tokens at the speed of now, a night as long as the bot's last one.

    None where neither is known.
    """
    if job is None:
        nights = await parts.store.read(partial(cycles.list_cycles, bot=bot, limit=NIGHTS))
        ended = (night for night in nights if night.candidate is not None and night.finished_at is not None)
        return next((night.finished_at - night.started_at for night in ended if night.finished_at), None)
    with suppress(NotFound):
        file = await parts.files.find(job.order.training_file, owner=job.owner)
        tokens = file.about["tokens"] * job.order.hyperparameters.n_epochs
        return timedelta(seconds=tokens / progress.tokens_per_s) if progress and progress.tokens_per_s else None
    return None


def _row(place: int, bot: BotName, job: Job | None, *, ahead: BotName | None, starts_at: datetime | None) -> QueueRow:
    return QueueRow(
        place=place,
        kind="job" if job else "night",
        name=job.job_id if job else bot,
        owner=job.owner if job else "",
        state="running" if place == 1 else "queued",
        waits_for=ahead,
        starts_at=starts_at,
    )


def _put_aside(job: Job) -> QueueRow:
    state = job.state if job.state is not JobState.RUNNING else "finishing"
    return QueueRow(
        place=None, kind="job", name=job.job_id, owner=job.owner, state=state, waits_for=None, starts_at=None
    )
