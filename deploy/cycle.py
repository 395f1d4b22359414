"""Who begins, resumes and ends nights: the claim in the record, the walk through `deploy.night.STEPS`, and the close.

However a night ends, its morning page is written and its row is closed; a due night that could not begin has both too.
Neither a fault of ours nor a record or disk that fails ends more than the night. When nights run is for
`deploy.schedule` to say, what a step does for `deploy.night`.
"""

import asyncio
import itertools
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from collect import cycles
from collect.store import Store
from deploy.board import Board
from deploy.doubts import weigh_follow_ups
from deploy.gathering import make_dataset, take_snapshot
from deploy.judging import PAUSES_S, Judge
from deploy.night import STEPS, Night, find_shortfall
from deploy.plan import NightFolder, Step, Terms
from deploy.queue import Queue
from deploy.reporter import Reporter
from deploy.rollout import Rollout
from deploy.school import School
from deploy.telling import leave_pages, send_letter
from deploy.training import Means
from nightschool.bots import Bot, BotShelf
from nightschool.engine import Engine
from nightschool.errors import InvalidInput, NightschoolError, RecordError, Unavailable
from nightschool.files import free_bytes
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.knowledge import SearchApart, find_nothing
from nightschool.records import BotName, Cycle, CycleState, new_id, utc_now
from tune.dataset import DatasetSummary

log = logging.getLogger(__name__)

GIB = 2**30


@dataclass(frozen=True, slots=True)
class NightLimits:
    """What a night may take."""

    training_timeout_s: float
    min_free_gib: float
    max_lora_rank: int
    follow_ups: int = 0
    """How many of what was said next the engine weighs behind each night."""
    training: Means = field(default_factory=Means)


class NightPlan(NamedTuple):
    """What a night would do now (`night --dry-run`, `dataset build`)."""

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
        search: SearchApart = find_nothing,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        """`pauses_s`: before each further try of an exam, or of the closing write, for which the longest repeats."""
        self._store = store
        self._engine = engine
        self._rollout = rollout
        self._shelf = shelf
        self._home = home
        self._limits = limits
        self._now = now
        self._pauses_s = pauses_s
        self._base_model = base_model
        self.queue = Queue()
        self.exams = Queue()
        self.board = Board()
        self._school = School(
            store=store,
            rollout=rollout,
            judge=Judge(
                store, engine, rollout, home=home, base_model=base_model, now=now, search=search, pauses_s=pauses_s
            ),
            home=home,
            base_model=base_model,
            training_timeout_s=limits.training_timeout_s,
            training=limits.training,
            trainings=self.queue,
            exams=self.exams,
            board=self.board,
            now=now,
            search=search,
        )

    async def claim(
        self,
        bot: BotName,
        *,
        trigger: Literal["schedule", "catch-up", "operator"],
        actor: str,
        force: bool = False,
        local_date: date | None = None,
    ) -> Cycle:
        """A new cycle in the record, and in its folder what it is to go by. `force` trains also where nothing is new.

        Raises Busy where one runs or the date was taken, Unavailable without room or the base model, InvalidInput where
        the engine could not serve the result. A night that was due (`local_date`) leaves its row and page then too.
        """
        order = self._shelf.find(bot)
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
        folder = self._folder(cycle)
        base = await asyncio.to_thread(identify_base, self._base_model)
        terms = Terms(actor=actor, force=force, bot=order, base_model=base)
        try:
            self._check_rank(order)
            self._check_room(order)
            self._rollout.seating.check_base(f"night of {bot}")
            # Before the row: whoever finds the row knows what the night was begun with.
            _keep_terms(folder, terms)
        except NightschoolError as error:
            if local_date is not None:
                await self._leave_unbegun(cycle, local_date=local_date, why=str(error))
            raise
        try:
            await self._store.write(partial(cycles.begin_night, cycle=cycle, actor=actor))
        except NightschoolError:
            shutil.rmtree(folder.root, ignore_errors=True)
            raise
        return cycle

    async def run(self, cycle: Cycle) -> Cycle:
        """The cycle to its end, from wherever it stands. Never raises for a failed night: the cycle says why."""
        reporter = Reporter(self._store, cycle, now=self._now)
        try:
            async with reporter.writing():
                await self._walk(reporter)
        except NightschoolError as error:
            log.warning("bot=%s cycle=%s failed: %s", cycle.bot, cycle.cycle_id, error)
            reporter.fail(str(error))
        except OSError as error:
            log.exception("bot=%s cycle=%s failed", cycle.bot, cycle.cycle_id)
            reporter.fail(f"a file could not be read or written ({error}). Look at the disk of {self._home.root}.")
        except Exception as error:
            # A fault of ours ends the night, not the server.
            log.exception("bot=%s cycle=%s failed", cycle.bot, cycle.cycle_id)
            reporter.fail(f"internal error: {error!r}. The server's log has the details.")
        ended = reporter.end()
        letter = await leave_pages(self._store, self._folder(ended), ended)
        # Before the row is closed: after a kill it is told again, and a record that takes nothing hides no failure.
        await send_letter(self._shelf, self._folder(ended), letter)
        await self._close(ended)
        await self._weigh_follow_ups(ended)
        return ended

    async def plan(self, bot: BotName) -> NightPlan:
        """What a night would find now; leaves nothing behind."""
        return await self._look_ahead(self._shelf.find(bot), target=None)

    async def build(self, bot: BotName) -> NightPlan:
        """The same, and the dataset stays in the data folder. Raises Unavailable without room."""
        order = self._shelf.find(bot)
        self._check_room(order)
        return await self._look_ahead(order, target=self._home.datasets(bot))

    async def interrupted(self) -> list[Cycle]:
        """Cycles that a dead server left running."""
        return await self._store.read(cycles.running_cycles)

    async def _look_ahead(self, order: Bot, *, target: Path | None) -> NightPlan:
        folder = NightFolder(self._home.temp / f"plan-{new_id()}")
        try:
            await take_snapshot(self._school, order, folder)
            built_in = target or folder.root
            data = await make_dataset(self._school, order, folder, target=built_in)
            dataset = built_in / data.folder_name
            why = await find_shortfall(self._school, order, data, dataset=dataset, force=False)
            return NightPlan(data, why)
        finally:
            shutil.rmtree(folder.root, ignore_errors=True)

    async def _walk(self, reporter: Reporter) -> None:
        """Every step that is not done yet, until the night is decided."""
        terms = self._terms(reporter.cycle)
        await self._check_base(terms)
        night = Night(self._school, reporter, folder=self._folder(reporter.cycle), terms=terms)
        while not night.is_decided:
            for step in STEPS:
                if not night.is_decided and not await step.is_done(night):
                    reporter.step(step.name)
                    await step.do(night)

    def _terms(self, cycle: Cycle) -> Terms:
        """Raises UnknownModel where the bot is gone."""
        today = self._shelf.find(cycle.bot)
        return self._folder(cycle).read_terms() or Terms(actor=cycle.trigger, force=False, bot=today)

    async def _close(self, ended: Cycle) -> None:
        """Close the row, tried until the record takes it: one that says that the night goes on would keep the bot from
        every other night."""
        for pause_s in itertools.chain(self._pauses_s, itertools.repeat(max(self._pauses_s))):
            try:
                await self._store.write(partial(cycles.update_cycle, cycle=ended))
                return
            except RecordError as error:
                log.error("cycle=%s its end is recorded again in %g s: %s", ended.cycle_id, pause_s, error)
                await asyncio.sleep(pause_s)
        raise AssertionError("the last pause repeats for ever")

    async def _weigh_follow_ups(self, cycle: Cycle) -> None:
        """Behind the night, whose outcome stands: where it fails, the next one goes on."""
        try:
            bot, limit = self._shelf.find(cycle.bot), self._limits.follow_ups
            weighed = await weigh_follow_ups(self._store, self._engine, bot=bot, limit=limit)
        except NightschoolError as error:
            log.warning("bot=%s follow-ups are not weighed on: %s", cycle.bot, error)
        else:
            log.info("bot=%s follow_ups=%d weighed", cycle.bot, weighed)

    async def _leave_unbegun(self, cycle: Cycle, *, local_date: date, why: str) -> None:
        """Row and page of a due night that could not begin, once a date, where the record can still be written."""
        ended = replace(
            cycle, local_date=None, state=CycleState.FAILED, step=Step.BEGIN, reasons=(why,), finished_at=self._now()
        )
        try:
            is_first = await self._store.write(partial(cycles.keep_unbegun, cycle=ended, local_date=local_date))
        except NightschoolError as error:
            log.error("bot=%s that its night did not begin was not recorded: %s", cycle.bot, error)
            return
        if is_first:
            letter = await leave_pages(self._store, self._folder(ended), replace(ended, local_date=local_date))
            await send_letter(self._shelf, self._folder(ended), letter)

    def _folder(self, cycle: Cycle) -> NightFolder:
        return NightFolder(self._home.cycle(cycle.bot, cycle.cycle_id))

    def _check_rank(self, bot: Bot) -> None:
        if bot.recipe.rank > self._limits.max_lora_rank:
            raise InvalidInput(
                f"trains rank {bot.recipe.rank}, but the engine serves at most {self._limits.max_lora_rank}",
                subject=f"recipe of {bot.name}",
                remedy="Lower recipe.rank in its file or raise engine.max_lora_rank.",
            )

    async def _check_base(self, terms: Terms) -> None:
        """A night that goes on must not mix two base models: rows, weights and answers are of the one it began with."""
        if terms.base_model and terms.base_model != await asyncio.to_thread(identify_base, self._base_model):
            raise InvalidInput(
                f"was begun on another base model than {self._base_model}, and nothing of it is used",
                subject=f"night of {terms.bot.name}",
                remedy=f"The next night trains anew; `nightschool night --bot {terms.bot.name}` begins it now.",
            )

    def _check_room(self, bot: Bot) -> None:
        free = free_bytes(self._home.root)
        if free < self._limits.min_free_gib * GIB:
            raise Unavailable(
                f"only {free / GIB:.1f} GiB of disk are free",
                subject=f"night of {bot.name}",
                remedy=f"Free some: a night wants {self._limits.min_free_gib:g} GiB (night.min_free_gib).",
            )


def _keep_terms(folder: NightFolder, terms: Terms) -> None:
    try:
        folder.write_terms(terms)
    except OSError as error:
        raise Unavailable(
            f"its folder cannot be written ({error})",
            subject=f"night of {terms.bot.name}",
            remedy=f"Look at {folder.root} and the disk.",
        ) from error
