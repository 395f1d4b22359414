"""Who trains and who waits for the trainer, nights and jobs alike, as the command line and the console show it.

Does not know who is called next: that is the queue's (`deploy.queue`).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict

from collect import jobs
from collect.jobs import Job, JobState
from deploy.job_work import lineage_of
from nightschool.records import BotName, utc_now
from serve.parts import Parts


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
    """About; None where that is not known."""


async def read_queue(parts: Parts, *, now: Callable[[], datetime] = utc_now) -> list[QueueRow]:
    """In the order of the turns; behind them jobs that are not over and stand in no queue."""
    unfinished = {lineage_of(job): job for job in await parts.store.read(jobs.unfinished_jobs)}
    order = parts.nights.queue.order
    rows = [_row(parts, place, bot, unfinished.get(bot), order=order, at=now()) for place, bot in enumerate(order, 1)]
    others = [job for lineage, job in unfinished.items() if lineage not in order]
    return [*rows, *(_put_aside(job) for job in others)]


def _row(
    parts: Parts, place: int, bot: BotName, job: Job | None, *, order: tuple[BotName, ...], at: datetime
) -> QueueRow:
    ahead = order[0] if place > 1 else None
    progress = parts.nights.board.shown.get(order[0])
    next_at = at + timedelta(seconds=progress.eta_s) if progress and place == 2 else None
    return QueueRow(
        place=place,
        kind="job" if job else "night",
        name=job.job_id if job else bot,
        owner=job.owner if job else "",
        state="running" if place == 1 else "queued",
        waits_for=ahead,
        starts_at=next_at,
    )


def _put_aside(job: Job) -> QueueRow:
    state = job.state if job.state is not JobState.RUNNING else "finishing"
    return QueueRow(
        place=None, kind="job", name=job.job_id, owner=job.owner, state=state, waits_for=None, starts_at=None
    )
