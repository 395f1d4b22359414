"""One job on its way: its dataset, its training when its turn comes, and the model that answers then.

Every step leaves something by which it is seen to be done, so a job that was cut off anywhere goes on from there,
within a training from its last checkpoint. Does not know who begins, stops or fails jobs (`deploy.jobs`).
"""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from collect import jobs, registry, tuned_models
from collect.jobs import Job, JobOutcome, JobState
from collect.store import Cursor, Store
from collect.tuned_models import CHECKPOINT, TunedModel
from deploy.board import Board
from deploy.job_recipe import recipe_of_job
from deploy.job_results import JobFolder, Results, describe_step, write_results
from deploy.queue import Queue
from deploy.rollout import Rollout
from deploy.training import Means, train
from nightschool.errors import InvalidInput, NightschoolError, Unavailable
from nightschool.files import copy_whole, read_manifest, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now
from nightschool.run_files import ADAPTER, DONE, PROOF
from tune.file_dataset import build_from_files
from tune.passes import find_kept
from tune.progress import StepFollower, TrainingProgress
from tune.recipe import RECIPE, write_recipe

log = logging.getLogger(__name__)

PREFIX: Final = "ftjob-"
VERSION: Final = 1
"""Of a job's model in its lineage; those of its checkpoints stand behind it."""
TELL_PERIOD_S: Final = 1.0
LOAD_PAUSES_S: Final = (2.0, 10.0, 60.0)
"""Before each further try to load the model: an engine may be starting, or all its places taken."""
KeepResult = Callable[[Path, str, str], Awaitable[str]]
"""Takes a file, its name and its owner; the file's id."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every job works with."""

    store: Store
    rollout: Rollout
    home: Home
    base_model: str
    queue: Queue
    board: Board
    keep_result: KeepResult
    training: Means
    training_timeout_s: float
    max_lora_rank: int
    context_tokens: int
    organisation: str
    max_unfinished: int
    command: Sequence[str] | None = None
    """Started instead of the trainer."""
    now: Callable[[], datetime] = utc_now

    async def move(self, job: Job, to: JobState, message: str, *, outcome: JobOutcome | None = None) -> Job:
        """The job in its new state. Raises InvalidInput where `jobs.MOVES` has no such move."""
        return await self.store.write(
            partial(jobs.move_job, job_id=job.job_id, to=to, message=message, at=self.now(), outcome=outcome)
        )

    def folder(self, job: Job) -> JobFolder:
        return JobFolder(self.home.job(job.job_id))


async def do_job(shop: Workshop, job: Job) -> None:
    """The job to its end, from wherever it stands. Raises what it fails for."""
    shop.rollout.seating.check_base(job.job_id)
    await _check_start(shop, job)
    folder = shop.folder(job)
    validation = folder.validation if folder.validation.exists() else None
    await asyncio.to_thread(build_from_files, folder.training, validation, folder.dataset)
    if job.state is JobState.VALIDATING:
        job = await shop.move(job, JobState.QUEUED, "Files validated, job queued")
    if not (folder.run / RECIPE).exists():
        start = shop.home.root / job.order.start if job.order.start else None
        recipe = recipe_of_job(
            job.order,
            base_model=shop.base_model,
            dataset=folder.dataset,
            start=start,
            max_rank=shop.max_lora_rank,
            max_tokens=shop.context_tokens,
        )
        write_recipe(folder.run, recipe)
    async with shop.queue.turn(lineage_of(job), key=job.owner):
        if job.state is JobState.QUEUED:
            job = await shop.move(job, JobState.RUNNING, "Fine-tuning job started")
        if not (folder.run / DONE).exists():
            await _train(shop, job, folder.run)
    await _check_start(shop, job)
    await _finish(shop, job, folder)


async def _check_start(shop: Workshop, job: Job) -> None:
    """Raises InvalidInput where what the job goes on from had learnt what was erased since."""
    for adapter in await shop.store.read(registry.adapters):
        if adapter.folder == job.order.start and adapter.tainted_at:
            raise InvalidInput(
                "goes on from a model of whose lessons some were erased",
                subject=job.job_id,
                remedy="Order it anew, from another model.",
                param="model",
            )


async def _train(shop: Workshop, job: Job, run: Path) -> None:
    lineage = lineage_of(job)

    def show(progress: TrainingProgress) -> None:
        shop.board.show(lineage, progress)

    with shop.board.training(lineage):
        async with _telling(shop, job, run):
            await train(
                run,
                timeout_s=shop.training_timeout_s,
                on_progress=show,
                means=shop.training,
                command=shop.command,
            )


async def _finish(shop: Workshop, job: Job, folder: JobFolder) -> None:
    """Register what was learnt, have the model loaded and proved, and name all of it: from then on it answers."""
    adapter = await _register(shop, job, folder, folder.run, version=VERSION)
    await _load(shop, adapter)
    results = write_results(folder)
    result_file = await shop.keep_result(results.file, "step_metrics.csv", job.owner)
    models = [_tuned_model(shop, job, results, VERSION, step=max(results.metrics, default=None))]
    for version, kept in enumerate(find_kept(folder.run), VERSION + 1):
        await _register(shop, job, folder, kept.folder, version=version)
        models.append(_tuned_model(shop, job, results, version, step=kept.step))
    outcome = JobOutcome(trained_tokens=results.trained_tokens, model=models[0].name, result_file=result_file)

    def succeed(cursor: Cursor) -> None:
        jobs.tell(cursor, job_id=job.job_id, message=f"New fine-tuned model created: {outcome.model}", at=shop.now())
        for model in models:
            tuned_models.add_model(cursor, model=model)
        jobs.move_job(
            cursor,
            job_id=job.job_id,
            to=JobState.SUCCEEDED,
            message="The job has successfully completed",
            at=shop.now(),
            outcome=outcome,
        )

    await shop.store.write(succeed)
    await asyncio.to_thread(shutil.rmtree, folder.root, ignore_errors=True)


def _tuned_model(shop: Workshop, job: Job, results: Results, version: int, *, step: int | None) -> TunedModel:
    """The job's own, or one of its checkpoints."""
    name = name_model(job, shop.organisation)
    return TunedModel(
        name=name if version == VERSION else f"{name}{CHECKPOINT}{step}",
        owner=job.owner,
        job_id=job.job_id,
        lineage=lineage_of(job),
        version=version,
        created_at=shop.now(),
        step=step,
        metrics_json=json.dumps(results.metrics.get(step or 0, {})),
    )


async def _register(shop: Workshop, job: Job, folder: JobFolder, made: Path, *, version: int) -> Adapter:
    """An adapter that lies in `made`, with its proof. Done again it changes nothing."""
    lineage = lineage_of(job)
    known = await shop.store.read(partial(registry.adapters, bot=lineage))
    for adapter in known:
        if adapter.version == version:
            return adapter
    manifest, dataset = read_manifest(made / ADAPTER), read_manifest(folder.dataset)
    assert manifest is not None, "the trainer publishes it before it is done"
    assert dataset is not None, "it was trained on"
    target = shop.home.adapter(lineage, manifest.content_hash)
    await asyncio.to_thread(copy_whole, made / ADAPTER, target)
    if (proof := made / PROOF).exists():
        write_atomic(shop.home.proof(lineage, manifest.content_hash), proof.read_bytes())
    adapter = Adapter(
        bot=lineage,
        version=version,
        content_hash=manifest.content_hash,
        folder=str(target.relative_to(shop.home.root)),
        stage=Stage.CANDIDATE,
        cycle_id=job.job_id,
        dataset_hash=dataset.content_hash,
        created_at=shop.now(),
    )
    event = Event(new_id(), shop.now(), lineage, job.owner, "registered", str(adapter.name), f"by {job.job_id}")
    await shop.store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return adapter


async def _load(shop: Workshop, adapter: Adapter) -> None:
    """Raises what the last try raised."""
    for pause_s in LOAD_PAUSES_S:
        try:
            await shop.rollout.load(adapter)
        except Unavailable as error:
            log.info("adapter=%s is loaded again in %g s: %s", adapter.name, pause_s, error)
            await asyncio.sleep(pause_s)
        else:
            return
    await shop.rollout.load(adapter)


@asynccontextmanager
async def _telling(shop: Workshop, job: Job, run: Path) -> AsyncIterator[None]:
    """Tell of each step that the training takes, once, for the length of the block."""
    follower = StepFollower(run)
    seen = 0

    async def tell_new() -> None:
        nonlocal seen
        steps, at = follower.read(), shop.now()

        def tell(cursor: Cursor) -> None:
            # Asked of the record, since a write that was cancelled may stand there all the same.
            told = jobs.last_told_step(cursor, job_id=job.job_id)
            for step in steps:
                if step.step > told:
                    words, data = describe_step(step)
                    told_as = json.dumps(data)
                    jobs.tell(cursor, job_id=job.job_id, message=words, at=at, step=step.step, data_json=told_as)

        if len(steps) == seen:
            return
        try:
            await shop.store.write(tell)
        except NightschoolError as error:
            # The next one tells more, and progress is no reason to fail a training.
            log.warning("job=%s steps were not recorded: %s", job.job_id, error)
        else:
            seen = len(steps)

    async def tell_forever() -> None:
        while True:
            await tell_new()
            await asyncio.sleep(TELL_PERIOD_S)

    task = asyncio.create_task(tell_forever())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await tell_new()


def lineage_of(job: Job) -> BotName:
    """Under which its adapter is registered: no bot has such a name."""
    return BotName(f"ft-{job.job_id.removeprefix(PREFIX)}")


def name_model(job: Job, organisation: str) -> str:
    """`ft:BASE:ORGANISATION:SUFFIX:ID`; BASE is the one that the first of a row of models went on from."""
    base = job.order.model.split(":")[1] if job.order.model.startswith("ft:") else job.order.model
    return ":".join(("ft", base, organisation, job.order.suffix or "", _short_id(job)))


def is_of_job(name: str, job: Job) -> bool:
    """Whether a model of this name, or a checkpoint, comes of the job."""
    return name.partition(CHECKPOINT)[0].rpartition(":")[2] == _short_id(job)


def _short_id(job: Job) -> str:
    return job.job_id.removeprefix(PREFIX)[:8]
