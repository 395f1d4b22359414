"""A job's checkpoints: its model as the training had it after its latest passes, listed while it still goes on.

They answer once the job has succeeded: until then none of them is proved, since the texts that prove a load are chosen
and measured behind the last step. Does not know who keeps them (`tune.methods.passes`), nor HTTP.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from collect import jobs, tuned_models
from collect.jobs import Job, JobEvent
from collect.tuned_models import CHECKPOINT
from deploy.job_recipe import CHECKPOINTS
from deploy.job_results import describe_checkpoint
from deploy.job_work import Workshop, name_model
from tune.passes import find_kept
from tune.progress import StepLine, read_steps


class Checkpoint(NamedTuple):
    name: str
    step: int
    created_at: datetime
    metrics: Mapping[str, float | int | None]
    answers: bool
    """Whether it can be asked by its name yet."""


async def list_checkpoints(shop: Workshop, job: Job) -> list[Checkpoint]:
    """The latest one first; of a job that succeeded that is the model itself."""
    # Looked for before the models, which are in the record when the folder goes.
    so_far = [] if job.state.is_over else await asyncio.to_thread(_find_so_far, shop.folder(job).run)
    events = await shop.store.read(partial(jobs.list_job_events, job_id=job.job_id))
    told = {event.step: event for event in events}
    models = await shop.store.read(partial(tuned_models.models_of_job, job_id=job.job_id))
    ended = []
    for model in models:
        if model.step is not None:
            at = told[model.step].happened_at if model.step in told else model.created_at
            ended.append(Checkpoint(model.name, model.step, at, json.loads(model.metrics_json or "{}"), answers=True))
    return ended or _list_so_far(shop, job, so_far, told)


def _find_so_far(run: Path) -> list[StepLine]:
    """The steps with which the kept passes were complete, the newest first. By the run's own lines, since the record
    hears of a step a moment later, when an older pass may be gone already."""
    lines = {(line.phase, line.step): line for line in read_steps(run)}
    kept = [lines[one.phase, one.step] for one in find_kept(run) if (one.phase, one.step) in lines]
    return kept[:-CHECKPOINTS:-1]


def _list_so_far(
    shop: Workshop, job: Job, steps: Sequence[StepLine], told: Mapping[int | None, JobEvent]
) -> list[Checkpoint]:
    found = []
    for step in steps:
        name = f"{name_model(job, shop.organisation)}{CHECKPOINT}{step.step}"
        at = told[step.step].happened_at if step.step in told else shop.now()
        metrics = describe_checkpoint(step.step, train_loss=step.loss, valid_loss=step.valid_loss)
        found.append(Checkpoint(name, step.step, at, metrics, answers=False))
    return found
