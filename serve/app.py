"""The one place where parts meet: opens them in order, closes them in reverse, and puts the faces on.

`open_parts` is every long-lived part of a server; `build_app` gives each face the parts. Below this module nothing
reads settings. Run: `nightschool up`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import partial
from typing import NamedTuple

from fastapi import FastAPI

from collect import keys
from collect.erase import Erasure
from collect.exports import clear_exports
from collect.knowledge.shelf import KnowledgeShelf
from collect.signals.found import listen
from collect.store import Store, open_store
from collect.verified.shelf import VerifiedShelf
from deploy.courtesy import Courtesy
from deploy.cycle import NightLimits, NightRunner
from deploy.erasing import Eraser
from deploy.escalating import Escalations
from deploy.giving_way import keep_answered
from deploy.jobs import Jobs
from deploy.proof import Prover, prove_load, take_on_trust
from deploy.retention import Keep, Retention
from deploy.rollout import Rollout
from deploy.schedule import Nights, run_nights
from deploy.slots import slots_shortage
from deploy.training import Means
from eval.facts import standing_in
from nightschool.bots import BotShelf
from nightschool.engine import Engine
from nightschool.files import write_atomic
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.knowledge import SearchApart
from nightschool.pii.reader import open_reader
from nightschool.prompt import Template
from nightschool.records import utc_now
from nightschool.settings import EngineSettings, Settings
from serve.adding import Adding
from serve.api.endpoints import api_app
from serve.audited import follow_passwords
from serve.backups import Backups, backups_folder
from serve.budget import Fit, fit
from serve.disk import watch_disk
from serve.documents import OperatorsDocuments
from serve.engines import Connected, connect_to, keeper_of, places_for_whole_models
from serve.eval_runs import EvalRuns
from serve.files import CallersFiles
from serve.golden import GoldenCases
from serve.masking import Masking, MaskOpinion
from serve.metrics import Metrics
from serve.opponents import open_opponents
from serve.pace import Pace
from serve.pages import mount_pages
from serve.parts import Parts
from serve.secrets import Secrets
from serve.sub_path import SubPath
from serve.tuned import TunedModels
from serve.turns import Turns
from serve.votes import Votes
from serve.workshop import open_evals, open_jobs

log = logging.getLogger(__name__)


@asynccontextmanager
async def open_parts(
    settings: Settings, *, base_model: str, template: Template, secrets: Secrets, now: Callable[[], datetime] = utc_now
) -> AsyncIterator[Parts]:
    """Every part of a server for the length of the block. `base_model` is a folder or a hub's id, and `template` what
    training knows of its chat template too (`tune.probe`). What people say and what nights do is dated by `now`."""
    home, shelf, metrics = settings.paths, BotShelf(settings.bots), Metrics()
    async with AsyncExitStack() as stack:
        store, masking = await _open_record(settings, shelf, stack)
        connected = await connect_to(settings, stack, base_model=base_model, template=template)
        engine, rollout = connected.engine, await _rollout(settings, store, connected, bots=len(shelf.bots), now=now)
        knowledge = KnowledgeShelf(store, shelf, home, bots_folder=settings.bots, standing_in=standing_in, now=now)
        verified, backups = VerifiedShelf(store, shelf), Backups(store, home, settings.backup, now=now)
        search, verify, fitted = knowledge.search, verified.find_standing, _fit(settings.engine, engine)
        training, escalations = _training(settings), Escalations(store, shelf, now=now)
        memory, identity = (masking.forget, knowledge.forget), await asyncio.to_thread(identify_base, base_model)
        taking = partial(Turns, store, engine, rollout, metrics=metrics, search=search, fit=fitted, verify=verify)
        turns = taking(mask=masking.turn, base_model=identity, courtesy=training.courtesy, now=now)
        teaching = partial(_nights, settings, store, engine, rollout, shelf, training=training, search=search)
        nights = await stack.enter_async_context(teaching(base_model=base_model, now=now))
        eraser = _eraser(store, rollout, home, shelf, backups=backups, nights=nights, memory=memory, now=now)
        files = _callers_files(settings, store, base_model=base_model, now=now)
        at_work = open_jobs(settings, store, rollout, nights, files, base_model=base_model, training=training, now=now)
        jobs, tuned = await stack.enter_async_context(at_work), TunedModels(store, rollout, home)
        grading = partial(open_evals, settings, store, engine, rollout, shelf=shelf, tuned=tuned, search=search)
        eval_runs = await stack.enter_async_context(grading(fit=fitted, are_people_waiting=turns.has_askers, now=now))
        keeper = keeper_of(connected, on_ready=partial(_go_on, rollout, metrics, nights, jobs, eval_runs))
        settling = (rollout.keep_settled(), keep_answered(rollout, connected.seat, home=home))
        going = (keeper.run(), *settling, *(part.keep_going() for part in (eraser, backups, escalations)))
        for work in (*going, *_upkeep(settings, store, secrets, knowledge, verified)):
            await stack.enter_async_context(_owned_task(work))
        # Last in, first out: answers end and are recorded while engine and record are still there.
        stack.push_async_callback(turns.stop, grace_s=settings.server.drain_s)
        yield Parts(
            settings=settings,
            home=home,
            shelf=shelf,
            store=store,
            engine=engine,
            rollout=rollout,
            opponents=await stack.enter_async_context(open_opponents(store, rollout)),
            turns=turns,
            masking=masking,
            votes=_votes(settings, store, shelf, secrets, metrics=metrics, mask=masking.opinion, now=now),
            verified=verified,
            nights=nights,
            eraser=eraser,
            escalations=escalations,
            knowledge=knowledge,
            documents=OperatorsDocuments(store, shelf, knowledge, now=now),
            golden=GoldenCases(store, shelf, home, now=now),
            files=files,
            jobs=jobs,
            tuned=tuned,
            eval_runs=eval_runs,
            backups=backups,
            adding=Adding(store, rollout, home, settings.engine, base_model=base_model),
            metrics=metrics,
            secrets=secrets,
            engine_status=lambda: keeper.status,
        )


async def _go_on(rollout: Rollout, metrics: Metrics, nights: Nights, jobs: Jobs, eval_runs: EvalRuns) -> None:
    """Once the engine answers: what was live is, and what a former server left unfinished goes on."""
    await rollout.restore()
    metrics.set_engine_ready(True)
    await nights.resume()
    await jobs.go_on()
    await eval_runs.go_on()
    await nights.catch_up()


def _upkeep(
    settings: Settings, store: Store, secrets: Secrets, knowledge: KnowledgeShelf, verified: VerifiedShelf
) -> Iterable[Coroutine[None, None, None]]:
    """What goes on beside the answers as long as the server runs."""
    watching = watch_disk(settings.paths.root, min_free_gib=settings.night.min_free_gib)
    fresh = (knowledge.keep_fresh(), knowledge.answers.follow(), verified.follow())
    return (watching, *fresh, listen(store), follow_passwords(secrets, store))


def _fit(settings: EngineSettings, engine: Engine) -> Fit:
    return partial(fit, context_tokens=settings.max_model_len, count=engine.count_tokens)


class _Record(NamedTuple):
    store: Store
    masking: Masking
    """Before what is kept in it."""


async def _open_record(settings: Settings, shelf: BotShelf, stack: AsyncExitStack) -> _Record:
    home, wanted = settings.paths, settings.store
    opening = partial(open_store, home.store, temp=home.temp, backups=backups_folder(home, settings.backup))
    store = await stack.enter_async_context(opening(memory_gib=wanted.memory_gib, threads=wanted.threads))
    clear_exports(home.temp)
    # A record that was closed by a failure ends the server, so that whoever supervises it starts it again.
    await stack.enter_async_context(_owned_task(store.until_failure()))
    await _write_operator_key(store, home)
    reader = await stack.enter_async_context(open_reader())
    masking = Masking(reader.find, store, shelf)
    await stack.enter_async_context(_owned_task(masking.warm_up()))
    return _Record(store, masking)


def _eraser(
    store: Store,
    rollout: Rollout,
    home: Home,
    shelf: BotShelf,
    *,
    backups: Backups,
    nights: Nights,
    memory: Iterable[Callable[[Erasure], Awaitable[None]]],
    now: Callable[[], datetime],
) -> Eraser:
    async def forget(erasure: Erasure) -> None:
        for part in memory:
            await part(erasure)

    erasing = partial(Eraser, store, rollout, home, shelf=shelf, copies=backups.find_copies, at_rest=nights.at_rest)
    return erasing(on_erased=forget, now=now)


def _callers_files(settings: Settings, store: Store, *, base_model: str, now: Callable[[], datetime]) -> CallersFiles:
    context_tokens = settings.engine.max_model_len
    return CallersFiles(
        store, settings.paths, settings.fine_tuning, base_model=base_model, context_tokens=context_tokens, now=now
    )


def _votes(
    settings: Settings,
    store: Store,
    shelf: BotShelf,
    secrets: Secrets,
    *,
    metrics: Metrics,
    mask: MaskOpinion,
    now: Callable[[], datetime],
) -> Votes:
    pace = Pace(settings.server.requests_per_minute)
    return Votes(store, shelf, metrics=metrics, pace=pace, secret=secrets.cookie_key, mask=mask, now=now)


async def _rollout(
    settings: Settings, store: Store, connected: Connected, *, bots: int, now: Callable[[], datetime]
) -> Rollout:
    prove: Prover = take_on_trust if settings.engine.kind == "echo" else prove_load
    most, places = settings.engine.max_adapters, places_for_whole_models(settings.engine)
    if shortage := slots_shortage(bots, max_adapters=most):
        log.warning("%s", shortage)
    opening = partial(Rollout, store, connected.engine, home=settings.paths, max_adapters=most, max_whole=places)
    rollout = opening(prove=prove, seat=connected.seat, now=now)
    await rollout.seating.begin()
    return rollout


def _nights(
    settings: Settings,
    store: Store,
    engine: Engine,
    rollout: Rollout,
    shelf: BotShelf,
    *,
    training: Means,
    search: SearchApart,
    base_model: str,
    now: Callable[[], datetime],
) -> AbstractAsyncContextManager[Nights]:
    runner = NightRunner(
        store,
        engine,
        rollout,
        shelf=shelf,
        home=settings.paths,
        base_model=base_model,
        limits=_night_limits(settings, training),
        search=search,
        now=now,
    )
    keep = Keep(nights=settings.night.keep_nights, days=settings.night.keep_days)
    retention = Retention(store, engine, home=settings.paths, keep=keep, now=now)
    return run_nights(runner, store, shelf, tidy=retention.tidy, now=now)


def _training(settings: Settings) -> Means:
    return Means(settings.night.training_memory_gib, settings.night.gpus, Courtesy())


def _night_limits(settings: Settings, training: Means) -> NightLimits:
    return NightLimits(
        training_timeout_s=settings.night.training_timeout_s,
        min_free_gib=settings.night.min_free_gib,
        max_lora_rank=settings.engine.max_lora_rank,
        follow_ups=settings.night.follow_ups,
        training=training,
    )


def build_app(parts: Parts) -> FastAPI:
    """The server's faces over its parts."""
    app = api_app(parts)
    mount_pages(app, parts)
    if root_path := parts.settings.server.root_path:
        app.add_middleware(SubPath, root_path=root_path)
    return app


@asynccontextmanager
async def _owned_task(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` beside the block; the block's end ends it, and its failure ends the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(work)
        try:
            yield
        finally:
            task.cancel()


async def _write_operator_key(store: Store, home: Home) -> None:
    """A fresh secret for the CLI's key at each start, readable by the folder's owner alone."""
    secret = await store.write(partial(keys.renew_cli_key, at=utc_now()))
    write_atomic(home.operator_key, secret + "\n")
