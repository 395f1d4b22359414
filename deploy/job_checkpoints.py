"""A job's checkpoints: its model as the training had it after its latest passes, listed while it still goes on.

They answer once the job has succeeded: until then none of them is proved, since the texts that prove a load are chosen
and measured behind the last step. Does not know who keeps them (`tune.methods.passes`), nor HTTP.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from collect import jobs, tuned_models
from collect.jobs import Job, JobEvent
from collect.tuned_models import CHECKPOINT
from deploy.job_results import describe_checkpoint
from deploy.job_work import Workshop, name_model
from tune.passes import Pass, find_kept


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
    kept = [] if job.state.is_over else await asyncio.to_thread(find_kept, shop.folder(job).run)
    events = await shop.store.read(partial(jobs.list_job_events, job_id=job.job_id))
    told = {event.step: event for event in events}
    models = await shop.store.read(partial(tuned_models.models_of_job, job_id=job.job_id))
    ended = []
    for model in models:
        if model.step is not None:
            at = told[model.step].happened_at if model.step in told else model.created_at
            ended.append(Checkpoint(model.name, model.step, at, json.loads(model.metrics_json or "{}"), answers=True))
    return ended or _list_so_far(shop, job, kept, told)


def _list_so_far(
    shop: Workshop, job: Job, kept: Sequence[Pass], told: Mapping[int | None, JobEvent]
) -> list[Checkpoint]:
    found = []
    for one in reversed(kept):
        # A step is told once it is whole, and so is what was kept of it.
        if event := told.get(one.step):
            data, name = json.loads(event.data_json), f"{name_model(job, shop.organisation)}{CHECKPOINT}{one.step}"
            metrics = describe_checkpoint(one.step, train_loss=data["train_loss"], valid_loss=data["full_valid_loss"])
            found.append(Checkpoint(name, one.step, event.happened_at, metrics, answers=False))
    return found
