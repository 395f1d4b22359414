"""/v1/fine_tuning/jobs as OpenAI has it: a caller's files become a model. Does not know how (`deploy.jobs`)."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response

from collect import jobs, registry
from collect.jobs import Job, JobEvent
from deploy.stages import in_production
from nightschool.room import check_room
from serve.api.auth import Authority, Caller, require_key
from serve.api.bodies import read_body
from serve.api.connection import EventStream
from serve.api.faults import BadParameter
from serve.api.files import page_limit
from serve.api.job_bodies import JobBody, checkpoint_card, job_card, order_of
from serve.api.replies import DONE, event
from serve.pace import Pace
from serve.parts import Parts

MAX_PAGE: Final = 100
POLL_S: Final = 0.5
KEEP_ALIVE_POLLS: Final = 20
KEEP_ALIVE: Final = b": waits\n\n"


def fine_tuning_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)
    card = partial(job_card, organisation=parts.settings.fine_tuning.organisation)
    pace = Pace(parts.settings.server.requests_per_minute)

    @router.post("/v1/fine_tuning/jobs")
    async def create(request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, JobBody, max_bytes=parts.settings.server.max_body_bytes)
        pace.spend(caller.owner)
        return card(await create_job(parts, body, owner=caller.owner))

    @router.get("/v1/fine_tuning/jobs")
    async def list_all(
        request: Request, after: str | None = None, limit: str = "20", caller: Caller = Depends(authorise)
    ) -> dict[str, Any]:
        wanted = metadata_of(request)
        found = await parts.store.read(partial(jobs.list_jobs, owner=caller.owner))
        fitting = [job for job in found if wanted.items() <= job.order.metadata.items()]
        return page_of([card(job) for job in fitting], after=after, limit=limit)

    @router.get("/v1/fine_tuning/jobs/{job_id}/events")
    async def events(
        job_id: str,
        after: str | None = None,
        limit: str = "20",
        stream: bool = False,
        caller: Caller = Depends(authorise),
    ) -> Response:
        job = await find_job(parts, job_id, owner=caller.owner)
        if stream:
            return EventStream(stream_events(parts, job), headers={})
        told = await parts.store.read(partial(jobs.list_job_events, job_id=job.job_id))
        cards = [event_card(job, one) for one in reversed(told)]
        return JSONResponse(page_of(cards, after=after, limit=limit))

    @router.get("/v1/fine_tuning/jobs/{job_id}/checkpoints")
    async def checkpoints(
        job_id: str, after: str | None = None, limit: str = "10", caller: Caller = Depends(authorise)
    ) -> dict[str, Any]:
        job = await find_job(parts, job_id, owner=caller.owner)
        found = await parts.jobs.checkpoints(job)
        return page_of([checkpoint_card(one, job_id=job.job_id) for one in found], after=after, limit=limit)

    @router.get("/v1/fine_tuning/jobs/{job_id}")
    async def show(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return card(await find_job(parts, job_id, owner=caller.owner))

    _add_moves(router, parts, authorise)
    return router


def _add_moves(router: APIRouter, parts: Parts, authorise: Authority) -> None:
    card = partial(job_card, organisation=parts.settings.fine_tuning.organisation)

    @router.post("/v1/fine_tuning/jobs/{job_id}/cancel")
    async def cancel(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return card(await parts.jobs.cancel(await find_job(parts, job_id, owner=caller.owner)))

    @router.post("/v1/fine_tuning/jobs/{job_id}/pause")
    async def pause(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return card(await parts.jobs.pause(await find_job(parts, job_id, owner=caller.owner)))

    @router.post("/v1/fine_tuning/jobs/{job_id}/resume")
    async def resume(job_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return card(await parts.jobs.resume(await find_job(parts, job_id, owner=caller.owner)))


async def find_job(parts: Parts, job_id: str, *, owner: str | None) -> Job:
    """Raises NotFound, also where it is somebody else's."""
    if not (job_id.isascii() and job_id.replace("-", "").isalnum()):
        raise jobs.no_such_job(job_id)
    return await parts.store.read(partial(jobs.find_job, job_id=job_id, owner=owner))


async def create_job(parts: Parts, body: JobBody, *, owner: str) -> Job:
    """Raises BadParameter, NotFound, UnknownModel, TooManyRequests, Unavailable where the disk is too full."""
    spare = parts.settings.night.min_free_bytes
    check_room(parts.home.root, wanted_bytes=0, spare_bytes=spare, subject="fine-tuning job")
    training = await parts.files.find(body.training_file, owner=owner)
    validation = await parts.files.find(body.validation_file, owner=owner) if body.validation_file else None
    order = order_of(body, training=training, validation=validation, start=await _start_of(parts, body, owner=owner))
    return await parts.jobs.create(
        order,
        owner=owner,
        training=parts.files.place_of(training),
        validation=parts.files.place_of(validation) if validation else None,
    )


async def _start_of(parts: Parts, body: JobBody, *, owner: str) -> str:
    """Folder of the adapter that the job goes on from; empty for the base model. Raises UnknownModel."""
    meant = parts.settings.fine_tuning.trained_for(body.model)
    if meant == "base":
        return ""
    if meant.startswith("ft:"):
        return (await parts.tuned.adapter_of(await parts.tuned.find(meant, owner=owner))).folder
    bot = parts.shelf.find(meant).bot_name
    live = in_production(await parts.store.read(partial(registry.adapters, bot=bot)))
    return live.folder if live else ""


async def stream_events(parts: Parts, job: Job) -> AsyncGenerator[bytes, None]:
    """What is told of the job from its beginning to its end, as it comes."""
    told = polls = 0
    while True:
        # Asked first: what is told before the end is in the record by then.
        now = await parts.store.read(partial(jobs.find_job, job_id=job.job_id, owner=job.owner))
        for one in await parts.store.read(partial(jobs.list_job_events, job_id=job.job_id, after=told)):
            yield event(event_card(job, one))
            told = one.number
        if now.state.is_over:
            yield DONE
            return
        polls += 1
        if polls % KEEP_ALIVE_POLLS == 0:
            yield KEEP_ALIVE
        await asyncio.sleep(POLL_S)


def event_card(job: Job, one: JobEvent) -> dict[str, Any]:
    """OpenAI's object."""
    return {
        "object": "fine_tuning.job.event",
        "id": f"ftevent-{job.job_id.removeprefix('ftjob-')}-{one.number}",
        "created_at": int(one.happened_at.timestamp()),
        "level": one.level,
        "message": one.message,
        "type": "message" if one.step is None else "metrics",
        "data": json.loads(one.data_json),
    }


def page_of(cards: Sequence[dict[str, Any]], *, after: str | None, limit: str) -> dict[str, Any]:
    """At most `limit` behind the card whose id is `after`. Raises BadParameter where there is none."""
    most = page_limit(limit, largest=MAX_PAGE)
    if after is not None:
        places = [place for place, card in enumerate(cards, start=1) if card["id"] == after]
        if not places:
            raise BadParameter("is not in the list", param="after", openai_code="invalid_value")
        cards = cards[places[0] :]
    return {
        "object": "list",
        "data": list(cards[:most]),
        "has_more": len(cards) > most,
        "first_id": cards[0]["id"] if cards else None,
        "last_id": cards[:most][-1]["id"] if cards else None,
    }


def metadata_of(request: Request) -> dict[str, str]:
    """`metadata[key]=value` of a query."""
    return {
        name[len("metadata[") : -1]: value
        for name, value in request.query_params.items()
        if name.startswith("metadata[") and name.endswith("]")
    }
