"""One night of one bot: snapshot, dataset, training, evaluation, gate, promotion.

Joins the three rooms that know nothing of one another by handing folders on. Every step leaves a file behind
(`deploy.plan`) and does nothing where it is there, so a night that a crash cut off is simply run again. Production is
touched at the very end, by a passing verdict, and by nothing else here. When it runs is `deploy.schedule`'s.
"""

import asyncio
import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from collect import cycles, holds, registry
from collect.registry import Evaluation
from collect.snapshot import write_snapshot
from collect.store import Store
from deploy.exam import examine_candidate
from deploy.known import Order, find_changes, find_known_items, find_trained, keep_decided, keep_order
from deploy.morning import write_morning_report
from deploy.orders import bounds_of, insufficient, recipe_of, shortfall
from deploy.plan import NightFolder, Step
from deploy.queue import TrainingQueue
from deploy.reporter import Reporter
from deploy.rollout import Rollout
from deploy.training import train
from deploy.unfinished import take_over
from eval.gate import Verdict
from nightschool.bots import Bot, BotShelf
from nightschool.engine import Engine
from nightschool.errors import InvalidInput, NightschoolError, Unavailable
from nightschool.files import publish, read_manifest
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Cycle, CycleState, Event, Outcome, Stage, new_id, utc_now
from tune.dataset import DatasetSummary, build_dataset
from tune.progress import TrainingProgress
from tune.recipe import RECIPE, write_recipe

log = logging.getLogger(__name__)

GIB = 2**30


@dataclass(frozen=True, slots=True)
class NightLimits:
    """What a night may take."""

    training_timeout_s: float
    min_free_gib: float
    max_lora_rank: int


class NightPlan(NamedTuple):
    """What a night would do now (`--dry-run`)."""

    data: DatasetSummary
    shortfall: str | None
    """Why it would not train; None where it would."""


class NightRunner:
    """Runs nights. One cycle of a bot at a time: the record refuses a second (`collect.cycles.start_cycle`)."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        rollout: Rollout,
        *,
        shelf: BotShelf,
        home: Home,
        base_model: str,
        limits: NightLimits,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._engine = engine
        self._rollout = rollout
        self._shelf = shelf
        self._home = home
        self._base_model = base_model
        self._limits = limits
        self._now = now
        self.queue = TrainingQueue()

    async def claim(
        self, bot: BotName, *, trigger: Literal["schedule", "catch-up", "operator"], local_date: date | None = None
    ) -> Cycle:
        """A new cycle in the record. Raises Busy where one runs or the date was taken, Unavailable without room,
        InvalidInput where the engine could not serve the result."""
        rank = self._shelf.find(bot).recipe.rank
        if rank > self._limits.max_lora_rank:
            raise InvalidInput(
                f"trains rank {rank}, but the engine serves at most {self._limits.max_lora_rank}",
                subject=f"recipe of {bot}",
                remedy="Lower recipe.rank in its file or raise engine.max_lora_rank.",
            )
        free = shutil.disk_usage(self._home.root).free
        if free < self._limits.min_free_gib * GIB:
            raise Unavailable(
                f"only {free / GIB:.1f} GiB of disk are free",
                subject=f"night of {bot}",
                remedy=f"Free some: a night wants {self._limits.min_free_gib:g} GiB (night.min_free_gib).",
            )
        cycle = Cycle(
            cycle_id=new_id(),
            bot=bot,
            trigger=trigger,
            local_date=local_date,
            state=CycleState.RUNNING,
            step=Step.SNAPSHOT,
            progress=0.0,
            started_at=self._now(),
        )
        await self._store.write(partial(cycles.start_cycle, cycle=cycle))
        return cycle

    async def run(self, cycle: Cycle, *, actor: str, force: bool = False) -> Cycle:
        """The cycle to its end, from wherever it stands. Never raises for a failed night: the cycle says why.

        `force` trains also where nothing is new since the last adapter.
        """
        reporter = Reporter(self._store, cycle, now=self._now)
        folder = NightFolder(self._home.cycle(cycle.bot, cycle.cycle_id))
        try:
            async with reporter.writing():
                ended = await self._run_steps(reporter, actor=actor, force=force)
            return await reporter.finish(ended)
        except NightschoolError as error:
            log.warning("bot=%s cycle=%s failed: %s", cycle.bot, cycle.cycle_id, error)
            return await reporter.end_badly(folder, str(error))
        except Exception as error:
            # A fault of ours ends the night, not the server.
            log.exception("bot=%s cycle=%s failed", cycle.bot, cycle.cycle_id)
            return await reporter.end_badly(folder, f"internal error: {error!r}. The server's log has the details.")

    async def plan(self, bot: BotName) -> NightPlan:
        """What a night would find now; leaves nothing behind."""
        folder = NightFolder(self._home.temp / f"plan-{new_id()}")
        try:
            data = await self._build_dataset(self._shelf.find(bot), folder, target=folder.root)
            dataset = folder.root / data.folder_name
            return NightPlan(data, await self._shortfall(self._shelf.find(bot), data, dataset=dataset, force=False))
        finally:
            shutil.rmtree(folder.root, ignore_errors=True)

    async def interrupted(self) -> list[Cycle]:
        """Cycles that a dead server left running."""
        return await self._store.read(cycles.running_cycles)

    async def _run_steps(self, reporter: Reporter, *, actor: str, force: bool) -> Cycle:
        bot = self._shelf.find(reporter.cycle.bot)
        folder = NightFolder(self._home.cycle(bot.bot_name, reporter.cycle.cycle_id))
        take_over(folder.root.parent, into=folder, order=Order.of(bot, base_model=self._base_model))
        data = await self._build_dataset(bot, folder, target=self._home.datasets(bot.bot_name), reporter=reporter)
        has_begun = (folder.run / RECIPE).exists()
        dataset = self._home.dataset(bot.bot_name, data.content_hash)
        why = None if has_begun else await self._shortfall(bot, data, dataset=dataset, force=force)
        if why:
            decided = insufficient(reporter.cycle, data, why)
        else:
            decided = await self._train_and_judge(bot, folder, data, reporter, actor=actor)
        reporter.step(Step.REPORT)
        write_morning_report(folder.root, decided, data)
        return decided

    async def _train_and_judge(
        self, bot: Bot, folder: NightFolder, data: DatasetSummary, reporter: Reporter, *, actor: str
    ) -> Cycle:
        await self._train(bot, folder, data, reporter)
        candidate = await self._register(bot, folder, data, reporter, actor=actor)
        reporter.step(Step.LOAD, candidate=candidate.version)
        await self._rollout.load(candidate)
        moves = await self._store.read(partial(registry.count_moves, bot=bot.bot_name))
        production = await self._rollout.production(bot.bot_name)
        with self._rollout.lease_all([candidate]):
            verdict = await self._examine(bot, folder, data, candidate, reporter)
        reporter.step(Step.DECIDE)
        evaluation = Evaluation(
            evaluation_id=reporter.cycle.cycle_id,
            cycle_id=reporter.cycle.cycle_id,
            bot=bot.bot_name,
            candidate=candidate.version,
            outcome=verdict.outcome,
            reasons=verdict.reasons,
            figures_json=json.dumps(dict(verdict.figures)),
            folder=str(folder.evaluation.relative_to(self._home.root)),
            evaluated_at=self._now(),
            candidate_hash=candidate.content_hash,
            production_hash=production.adapter_hash,
            moves=moves,
        )
        return await self._decide(reporter.cycle, evaluation)

    async def _build_dataset(
        self, bot: Bot, folder: NightFolder, *, target: Path, reporter: Reporter | None = None
    ) -> DatasetSummary:
        if data := folder.read_dataset():
            return data
        if read_manifest(folder.snapshot) is None:
            shutil.rmtree(folder.snapshot, ignore_errors=True)
            await self._store.read(partial(write_snapshot, bot=bot.bot_name, folder=folder.snapshot, at=self._now()))
        if reporter:
            reporter.step(Step.DATASET)
        known = await find_known_items(self._store, self._home, bot=bot.bot_name)
        data = await asyncio.to_thread(
            build_dataset,
            folder.snapshot,
            target,
            system_prompt=bot.system_prompt,
            held_out_share=bot.recipe.held_out_share,
            bounds=bounds_of(bot),
            seed=bot.recipe.split_seed,
            known_items=known,
            trained_before=await find_trained(self._store, self._home, bot=bot.bot_name),
        )
        if reporter:
            await keep_decided(self._store, target / data.folder_name, bot=bot.bot_name, at=self._now())
        folder.write_dataset(data)
        return data

    async def _shortfall(self, bot: Bot, data: DatasetSummary, *, dataset: Path, force: bool) -> str | None:
        changes = await find_changes(self._store, self._home, bot=bot, base_model=self._base_model)
        return shortfall(bot, data, dataset=dataset, reason_to_train=changes, force=force)

    async def _train(self, bot: Bot, folder: NightFolder, data: DatasetSummary, reporter: Reporter) -> None:
        reporter.step(Step.TRAIN)
        dataset = self._home.dataset(bot.bot_name, data.content_hash)
        if not (folder.run / RECIPE).exists():
            keep_order(folder.root, Order.of(bot, base_model=self._base_model))
            write_recipe(folder.run, recipe_of(bot, base_model=self._base_model, dataset=dataset))

        def show(progress: TrainingProgress) -> None:
            reporter.advance(progress.step / max(progress.steps, 1))

        async with self.queue.turn(bot.bot_name):
            await train(folder.run, timeout_s=self._limits.training_timeout_s, on_progress=show)

    async def _register(
        self, bot: Bot, folder: NightFolder, data: DatasetSummary, reporter: Reporter, *, actor: str
    ) -> Adapter:
        reporter.step(Step.REGISTER)
        known = await self._store.read(partial(registry.adapters, bot=bot.bot_name))
        for adapter in known:
            if adapter.cycle_id == reporter.cycle.cycle_id:
                return adapter
        trained = folder.run / "adapter"
        manifest = read_manifest(trained) or publish(trained, kind="adapter")
        target = self._home.adapter(bot.bot_name, manifest.content_hash)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name}-{new_id()}")
            shutil.copytree(trained, draft)
            draft.rename(target)
        for older in known:
            if older.stage is Stage.CANDIDATE:
                await self._rollout.retire(older, actor=actor, reason="a newer candidate was trained")
        version = await self._store.read(partial(registry.next_version, bot=bot.bot_name))
        adapter = Adapter(
            bot=bot.bot_name,
            version=version,
            content_hash=manifest.content_hash,
            folder=str(target.relative_to(self._home.root)),
            stage=Stage.CANDIDATE,
            cycle_id=reporter.cycle.cycle_id,
            dataset_hash=data.content_hash,
            created_at=self._now(),
        )
        event = Event(new_id(), self._now(), bot.bot_name, actor, "registered", str(adapter.name), "trained tonight")
        await self._store.write(partial(registry.register_adapter, adapter=adapter, event=event))
        return adapter

    async def _examine(
        self, bot: Bot, folder: NightFolder, data: DatasetSummary, candidate: Adapter, reporter: Reporter
    ) -> Verdict:
        reporter.step(Step.EVALUATE)
        return await examine_candidate(
            self._engine,
            self._store,
            self._rollout,
            bot=bot,
            candidate=candidate,
            dataset=self._home.dataset(bot.bot_name, data.content_hash),
            production_trained=await find_trained(self._store, self._home, bot=bot.bot_name),
            folder=folder.evaluation,
            on_progress=reporter.advance,
        )

    async def _decide(self, cycle: Cycle, evaluation: Evaluation) -> Cycle:
        kept = await self._store.write(partial(holds.keep_verdict, evaluation=evaluation))
        outcome, reasons = kept.outcome, kept.reasons
        if outcome is Outcome.PROMOTE and (objection := await self._rollout.promote_by_verdict(kept.evaluation_id)):
            outcome, reasons = Outcome.HOLD, (f"Held: {objection}.", *reasons)
        return replace(cycle, outcome=outcome, reasons=reasons, figures_json=kept.figures_json)
