"""/v1/fine-tunes, by which OpenAI's clients before 1.0 ordered what is a supervised job today.

`openai api fine_tunes.create` of 0.28.1 goes this way, and follows the job's events to their end. Does not know more of
jobs than `serve.api.fine_tuning`, whose ways it takes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from collect import jobs
from collect.jobs import Job, JobState
from nightschool.errors import NotFound
from serve.api.auth import Caller, require_key
from serve.api.bodies import read_body
from serve.api.connection import EventStream
from serve.api.faults import invalid_request
from serve.api.files import file_card
from serve.api.fine_tuning import create_job, event_card, find_job, stream_events
from serve.api.job_bodies import JobBody
from serve.pace import Pace
from serve.parts import Parts

STATES: Final[Mapping[JobState, str]] = {JobState.VALIDATING: "pending", JobState.QUEUED: "pending"}
"""What was called otherwise."""
NUMBERS: Final = ("n_epochs", "batch_size", "learning_rate_multiplier")


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    training_file: str
    validation_file: str | None = None
    model: str = "gpt-3.5-turbo"
    n_epochs: Annotated[int, Field(ge=1, le=50)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=256)] | None = None
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=100)] | None = None
    suffix: str | None = None

    def as_job(self) -> JobBody:
        """The same in today's words. Raises BadParameter."""
        given = self.model_dump(exclude_none=True)
        numbers = {name: given.pop(name) for name in NUMBERS if name in given}
        try:
            return JobBody.model_validate(given | {"hyperparameters": numbers})
        except ValidationError as error:
            raise invalid_request(error.errors(include_url=False, include_context=False)) from error


def legacy_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)
    pace = Pace(parts.settings.server.requests_per_minute)

    async def card(job: Job) -> dict[str, Any]:
        return await _card(parts, job)

    @router.post("/v1/fine-tunes")
    async def create(request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, _Body, max_bytes=parts.settings.server.max_body_bytes)
        pace.spend(caller.owner)
        return await card(await create_job(parts, body.as_job(), owner=caller.owner))

    @router.get("/v1/fine-tunes")
    async def list_all(caller: Caller = Depends(authorise)) -> dict[str, Any]:
        found = await parts.store.read(partial(jobs.list_jobs, owner=caller.owner))
        return {"object": "list", "data": [await card(job) for job in found]}

    @router.get("/v1/fine-tunes/{job_id}/events")
    async def events(job_id: str, stream: bool = False, caller: Caller = Depends(authorise)) -> Response:
        job = await find_job(parts, job_id, owner=caller.owner)
        if stream:
            return EventStream(stream_events(parts, job), headers={})
        return JSONResponse({"object": "list", "data": await _events(parts, job)})

    @router.post("/v1/fine-tunes/{job_id}/cancel")
    async def cancel(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return await card(await parts.jobs.cancel(await find_job(parts, job_id, owner=caller.owner)))

    @router.get("/v1/fine-tunes/{job_id}")
    async def show(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return await card(await find_job(parts, job_id, owner=caller.owner))

    return router


async def _events(parts: Parts, job: Job) -> list[dict[str, Any]]:
    told = await parts.store.read(partial(jobs.list_job_events, job_id=job.job_id))
    return [event_card(job, one) for one in told]


async def _files(parts: Parts, job: Job, file_id: str | None) -> list[dict[str, Any]]:
    """As cards; none where its owner deleted it."""
    if file_id is None:
        return []
    try:
        return [file_card(await parts.files.find(file_id, owner=job.owner))]
    except NotFound:
        return []


async def _card(parts: Parts, job: Job) -> dict[str, Any]:
    """The object of then."""
    order, created_s = job.order, int(job.created_at.timestamp())
    return {
        "object": "fine-tune",
        "id": job.job_id,
        "hyperparams": order.hyperparameters.model_dump(exclude_none=True),
        "organization_id": parts.settings.fine_tuning.organisation,
        "model": order.model,
        "training_files": await _files(parts, job, order.training_file),
        "validation_files": await _files(parts, job, order.validation_file),
        "result_files": await _files(parts, job, job.outcome.result_file),
        "created_at": created_s,
        "updated_at": int(job.finished_at.timestamp()) if job.finished_at else created_s,
        "status": STATES.get(job.state, job.state.value),
        "fine_tuned_model": job.outcome.model,
        "events": await _events(parts, job),
    }
