"""One night of one bot as a table of steps: what each is called, how it is seen to be done, and how it is done.

Joins the three rooms that know nothing of one another by handing folders on. Every step leaves something durable behind
(`deploy.plan`, the record) by which it is seen to be done, so a night that was cut off anywhere goes on behind it and
ends as if nothing had happened. Does not know who begins or ends a night (`deploy.cycle`).
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from collect import registry
from deploy.gathering import make_dataset, take_snapshot
from deploy.judging import Paper
from deploy.known import Order, find_changes, keep_decided, keep_order
from deploy.orders import (
    describe_attempts,
    insufficient,
    recipe_of,
    shortfall,
    training_ends,
)
from deploy.plan import Attempt, NightFolder, Step, Terms
from deploy.reporter import Reporter
from deploy.scaling import have_scaled
from deploy.school import School
from deploy.stages import in_production
from deploy.training import train
from deploy.unfinished import give_time, take_over
from nightschool.bots import Bot
from nightschool.errors import NotEnoughRows
from nightschool.files import copy_whole, publish, read_manifest, write_atomic
from nightschool.records import Adapter, Event, Stage, new_id
from nightschool.run_files import ADAPTER, DONE, PROOF
from tune.dataset import DatasetSummary, is_usable
from tune.progress import TrainingProgress
from tune.recipe import RECIPE, Recipe, write_recipe


class Night:
    """A night on its way. Its methods are the steps of `STEPS`; each needs what those before it left."""

    def __init__(self, school: School, reporter: Reporter, *, folder: NightFolder, terms: Terms) -> None:
        self._school = school
        self._reporter = reporter
        self._folder = folder
        self._terms = terms
        self._bot = terms.bot

    @property
    def is_decided(self) -> bool:
        return self._reporter.cycle.outcome is not None

    async def has_rows(self) -> bool:
        """Whether it goes on with the run of a former night, or has read the record."""
        return self._folder.run.exists() or read_manifest(self._folder.snapshot) is not None

    async def take_rows(self) -> None:
        """Take over what a former night left unfinished, else read the record."""
        adapters = await self._school.store.read(partial(registry.adapters, bot=self._bot.bot_name))
        went_live = frozenset(adapter.cycle_id for adapter in adapters if adapter.live_at)
        nights, order = self._folder.root.parent, await self._order()
        if not take_over(nights, into=self._folder, order=order, went_live=went_live):
            await take_snapshot(self._school, self._bot, self._folder)

    async def has_dataset(self) -> bool:
        """Whether it is built, in the form that is read today: one of before an upgrade is built anew."""
        data = self._folder.read_dataset()
        return data is not None and is_usable(self._school.home.dataset(self._bot.bot_name, data.content_hash))

    async def build_dataset(self) -> None:
        """Build it, keep for good which side each conversation is on, then say which dataset it is."""
        # A run on rows that nobody can read any more begins anew.
        shutil.rmtree(self._folder.run, ignore_errors=True)
        if read_manifest(self._folder.snapshot) is None:
            await take_snapshot(self._school, self._bot, self._folder)
        target = self._school.home.datasets(self._bot.bot_name)
        data = await make_dataset(self._school, self._bot, self._folder, target=target)
        dataset = target / data.folder_name
        await keep_decided(self._school.store, dataset, bot=self._bot.bot_name, at=self._school.now())
        self._folder.write_dataset(data)

    async def is_trained(self) -> bool:
        return (self._folder.run / DONE).exists()

    async def train(self) -> None:
        """Train, unless there is too little to learn or to ask: then the night is decided."""
        run, data = self._folder.run, self._data()
        if not (run / RECIPE).exists():
            dataset = self._school.home.dataset(self._bot.bot_name, data.content_hash)
            why = await find_shortfall(self._school, self._bot, data, dataset=dataset, force=self._terms.force)
            if why:
                self._reporter.decide(insufficient(data, why))
                return
            keep_order(self._folder.root, await self._order())
            write_recipe(run, await self._recipe(dataset))
        give_time(run)
        async with self._school.trainings.turn(self._bot.bot_name):
            try:
                with self._school.board.training(self._bot.bot_name):
                    await train(
                        run,
                        timeout_s=self._school.training_timeout_s,
                        on_progress=self._show_training,
                        done_by=self._training_ends(),
                        means=self._school.training,
                    )
            except NotEnoughRows as error:
                self._reporter.decide(insufficient(data, error.problem))

    async def is_registered(self) -> bool:
        """Whether the record has the attempt's candidate; the cycle names it from then on."""
        candidate = await self._find_candidate(self._attempt)
        if candidate:
            self._reporter.name_candidate(candidate.version)
        return candidate is not None

    async def register(self) -> None:
        """Put the adapter under its content hash and give it a version; the candidate before it is retired."""
        school, attempt = self._school, self._attempt
        await self._weaken(attempt)
        trained = attempt.run / ADAPTER
        manifest = read_manifest(trained) or publish(trained, kind="adapter")
        target = school.home.adapter(self._bot.bot_name, manifest.content_hash)
        await asyncio.to_thread(copy_whole, trained, target)
        # One of an older Nightschool, that this night goes on with, has its proof in its folder.
        if (proof := attempt.run / PROOF).exists():
            write_atomic(school.home.proof(self._bot.bot_name, manifest.content_hash), proof.read_bytes())
        how = "trained tonight" if attempt.scale == 1 else f"{attempt.scale:g} of what was learnt tonight"
        for older in await school.store.read(partial(registry.adapters, bot=self._bot.bot_name)):
            if older.stage is Stage.CANDIDATE:
                await school.rollout.retire(older, actor=self._terms.actor, reason=f"a newer candidate: {how}")
        adapter = Adapter(
            bot=self._bot.bot_name,
            version=await school.store.read(partial(registry.next_version, bot=self._bot.bot_name)),
            content_hash=manifest.content_hash,
            folder=str(target.relative_to(school.home.root)),
            stage=Stage.CANDIDATE,
            cycle_id=self._reporter.cycle.cycle_id,
            dataset_hash=self._data().content_hash,
            created_at=school.now(),
        )
        event = Event(new_id(), school.now(), adapter.bot, self._terms.actor, "registered", str(adapter.name), how)
        await school.store.write(partial(registry.register_adapter, adapter=adapter, event=event))
        self._reporter.name_candidate(adapter.version)

    async def is_examined(self) -> bool:
        return self._attempt.is_examined()

    async def load(self) -> None:
        await self._school.judge.load((await self._paper(self._attempt)).candidate)

    async def examine(self) -> None:
        """One exam at a time: two would take one another's places in the engine."""
        async with self._school.exams.turn(self._bot.bot_name):
            await self._school.judge.examine(await self._paper(self._attempt), on_progress=self._reporter.advance)

    async def has_decision(self) -> bool:
        """Or is about to try again with less of what was learnt."""
        return self.is_decided or not self._attempt.is_examined()

    async def decide(self) -> None:
        *before, last = [await self._paper(attempt) for attempt in self._folder.attempts]
        decision = await self._school.judge.decide(last)
        if before:
            told = describe_attempts([paper.candidate for paper in before], last.candidate, scale=last.attempt.scale)
            decision = decision._replace(reasons=(told, *decision.reasons))
        self._reporter.decide(decision)

    @property
    def _attempt(self) -> Attempt:
        return self._folder.attempts[-1]

    async def _weaken(self, attempt: Attempt) -> None:
        """Have the adapter of an attempt behind the first, once the record has the verdict that asks for it."""
        for earlier in self._folder.attempts[:-1]:
            await self._school.judge.keep(await self._paper(earlier))
        if attempt.scale != 1:
            async with self._school.trainings.turn(self._bot.bot_name):
                await have_scaled(self._folder.run, attempt.scale)

    async def _recipe(self, dataset: Path) -> Recipe:
        school = self._school
        live = in_production(await school.store.read(partial(registry.adapters, bot=self._bot.bot_name)))
        folder = school.home.root / live.folder if live else None
        return recipe_of(
            self._bot,
            base_model=school.base_model,
            dataset=dataset,
            production=folder,
            replay=school.home.replay,
            kept=school.home.kept,
        )

    async def _order(self) -> Order:
        return await asyncio.to_thread(Order.of, self._bot, base_model=self._school.base_model)

    def _data(self) -> DatasetSummary:
        data = self._folder.read_dataset()
        assert data is not None, "the dataset's step was done"
        return data

    def _training_ends(self) -> datetime | None:
        return training_ends(self._bot.schedule, began=self._reporter.cycle.started_at, now=self._school.now())

    def _show_training(self, progress: TrainingProgress) -> None:
        self._reporter.advance(progress.share)
        self._school.board.show(self._bot.bot_name, progress)

    async def _find_candidate(self, attempt: Attempt) -> Adapter | None:
        """None where there is no adapter yet, or the record does not have it."""
        manifest = read_manifest(attempt.run / ADAPTER)
        if manifest is None:
            return None
        adapters = await self._school.store.read(partial(registry.adapters, bot=self._bot.bot_name))
        known = (self._reporter.cycle.cycle_id, manifest.content_hash)
        return next((a for a in adapters if (a.cycle_id, a.content_hash) == known), None)

    async def _paper(self, attempt: Attempt) -> Paper:
        candidate = await self._find_candidate(attempt)
        assert candidate is not None, "the candidate's step was done"
        return Paper(self._bot, candidate, self._data().content_hash, attempt)


class NightStep(NamedTuple):
    name: Step
    is_done: Callable[[Night], Awaitable[bool]]
    do: Callable[[Night], Awaitable[None]]


STEPS: Final = (
    NightStep(Step.SNAPSHOT, Night.has_rows, Night.take_rows),
    NightStep(Step.DATASET, Night.has_dataset, Night.build_dataset),
    NightStep(Step.TRAIN, Night.is_trained, Night.train),
    NightStep(Step.REGISTER, Night.is_registered, Night.register),
    NightStep(Step.LOAD, Night.is_examined, Night.load),
    NightStep(Step.EVALUATE, Night.is_examined, Night.examine),
    NightStep(Step.DECIDE, Night.has_decision, Night.decide),
)
"""In order; from `Step.REGISTER` on for each attempt. Behind them, whatever comes, `Step.REPORT` (`deploy.cycle`)."""


async def find_shortfall(school: School, bot: Bot, data: DatasetSummary, *, dataset: Path, force: bool) -> str | None:
    """Why a night with this dataset would not train; None where it would."""
    changes = await find_changes(school.store, school.home, bot=bot, base_model=school.base_model)
    return shortfall(bot, data, dataset=dataset, reason_to_train=changes, force=force)
