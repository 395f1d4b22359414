"""Run a recipe's methods one behind the other, each from the adapter that the one before it ended with.

In: rows as tokens. Out: the checkpoint to publish, and `stages.json`, written anew whenever a stage ends. Each stage
loads the base model afresh, since its arithmetic may rebuild it. Started again, the chain goes on within the stage
that was broken off. A method that fails behind another is given up in words, and what the other left is the result.
"""

import gc
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from nightschool.errors import InvalidInput, TrainingFailed
from nightschool.identity import identify_base
from nightschool.methods import CHAIN, METHODS, RUNS, Method
from tune.agreement import distrust
from tune.batches import Plan, plan_order
from tune.encode import Encoded
from tune.learner import LearningModel, hash_weights, load_learner
from tune.lessons import HeldOut, Lessons, Voted
from tune.methods.course import Course, find_last, step_of
from tune.methods.dpo import Dpo
from tune.methods.frozen import Measure, measure_together
from tune.methods.kto import Kto, all_mismatches, balance
from tune.methods.memory import Appetite
from tune.methods.prove import Keeping, choose_arithmetic
from tune.methods.reference import Ask, ask_reference, one_by_one
from tune.methods.sft import Sft
from tune.methods.shelf import Shelf
from tune.methods.steps import Measuring, Objective, take_steps
from tune.methods.upper import describe
from tune.progress import read_steps
from tune.recipe import Recipe
from tune.stages import Choice, RowCounts, StageLine, choose_stages, read_stages, write_stages
from tune.start import Start
from tune.team import Team

if TYPE_CHECKING:
    from tune.methods.grpo import GrpoStage

log = logging.getLogger(__name__)

REFERENCES: Final = "references"
KEPT: Final = "kept"
"""In the run folder, where the recipe names no other: constants of the base model."""
QUESTIONS_A_STEP: Final = 4
"""Of GRPO."""
STEPPING: Final = frozenset[Method]({*CHAIN, "reward"})
"""Methods that take steps."""


def train_chain(lessons: Lessons, recipe: Recipe, start: Start, *, run: Path, device: str, team: Team = Team()) -> Path:
    """The last checkpoint, once every method for which there is enough took its steps: an adapter's or a whole model's.

    Raises InvalidInput where there is enough for none, and TrainingFailed where the first one fails.
    """
    counts = count_rows(lessons, distrust=distrust(run, recipe))
    choices = [choice for choice in choose_stages(recipe, counts) if choice.method in CHAIN]
    courses = plan(choices, lessons, recipe)
    told = _begin(run, choices, team=team)
    remarks: tuple[str, ...] = (start.remark,) if start.remark else ()
    checkpoint: Path | None = None
    for choice in choices:
        if choice.method in told and not told[choice.method].ran:
            continue
        stage = _make_stage(lessons, recipe, courses[choice.method], run=run, device=device, team=team)
        try:
            checkpoint = stage.train(checkpoint or start.folder)
            ran = True
        except TrainingFailed as error:
            if checkpoint is None:
                raise
            log.warning("phase=%s is given up: %s", choice.method, error.problem)
            ran, remarks = False, (*remarks, f"given up: {error.problem}")
        said = dict.fromkeys(remark for each in team.gather(partial(tuple, stage.remarks)) for remark in each)
        line = line_of(choice, run, ran=ran, remarks=(*remarks, *said))
        # What a former start of the run told of a finished stage is not to be had again.
        told.setdefault(choice.method, line)
        if team.is_first:
            write_stages(run, [told[method] for method in METHODS if method in told])
        remarks = ()
        gc.collect()  # or two stages' models would be in memory at once
    assert checkpoint is not None, "a first method that fails raises"
    return checkpoint


def count_rows(lessons: Lessons, *, distrust: str = "") -> RowCounts:
    good = sum(vote.is_good for vote in lessons.voted)
    bad = len(lessons.voted) - good
    return RowCounts(
        len(lessons.imitated), len(lessons.compared), good, bad, questions=len(lessons.asked), made=lessons.made,
        replayed=lessons.replayed, skipped=lessons.skipped, distrust=distrust,
    )  # fmt: skip


def plan(choices: Sequence[Choice], lessons: Lessons, recipe: Recipe) -> Mapping[Method, Course]:
    """The steps of each method that takes some. Raises InvalidInput where none of the chain does."""
    courses: dict[Method, Course] = {}
    for choice in sorted(choices, key=lambda choice: RUNS.index(choice.method), reverse=True):
        if choice.runs and choice.method in STEPPING:
            behind = sum(course.plan.steps for course in courses.values())
            courses[choice.method] = _course(choice.method, lessons, recipe, steps_behind=behind)
    if not courses.keys() & set(CHAIN):
        why = "; ".join(f"{choice.method}: {choice.why}" for choice in choices)
        raise InvalidInput(
            f"holds too little to train on ({why})",
            subject=recipe.dataset,
            remedy="Import conversations, or change recipe.methods, its minimums or max_tokens.",
        )
    return courses


def _course(method: Method, lessons: Lessons, recipe: Recipe, *, steps_behind: int) -> Course:
    def plan(lengths: list[int], epochs: float) -> Plan:
        return plan_order(lengths, epochs=epochs, batch_size=recipe.batch_size, seed=recipe.seed)

    if method == "sft":
        lengths = [len(given.row.input_ids) for given in lessons.imitated]
        return Course(method, plan(lengths, recipe.epochs), recipe.learning_rate, steps_behind)
    if method == "grpo":
        lengths = [len(one.prompt_ids) for one in lessons.asked]
        order = plan_order(lengths, epochs=recipe.grpo_epochs, batch_size=QUESTIONS_A_STEP, seed=recipe.seed)
        return Course(method, order, recipe.grpo_learning_rate, steps_behind)
    if method in {"dpo", "reward"}:
        lengths = [max(len(pair.chosen.input_ids), len(pair.rejected.input_ids)) for pair in lessons.compared]
        if method == "dpo":
            return Course(method, plan(lengths, recipe.dpo_epochs), recipe.dpo_learning_rate, steps_behind)
        return Course(method, plan(lengths, recipe.reward_epochs), recipe.reward_learning_rate, steps_behind)
    lengths = [len(vote.row.input_ids) for vote in lessons.voted]
    return Course(method, plan(lengths, recipe.kto_epochs), recipe.kto_learning_rate, steps_behind)


def _begin(run: Path, choices: Sequence[Choice], *, team: Team) -> dict[Method, StageLine]:
    """What is known already: which methods are not used, and what a former start of the run ended."""
    told: dict[Method, StageLine] = {line.method: line for line in team.of_first(read_stages(run))}
    for choice in choices:
        if not choice.runs:
            log.info("phase=%s is left out: %s", choice.method, choice.why)
            told[choice.method] = line_of(choice, run, ran=False, remarks=())
    if team.is_first:
        write_stages(run, [told[method] for method in METHODS if method in told])
    return told


def line_of(choice: Choice, run: Path, *, ran: bool, remarks: Sequence[str]) -> StageLine:
    """What became of a method."""
    steps = [line for line in read_steps(run) if line.phase == choice.method]
    return StageLine(
        method=choice.method,
        ran=ran,
        why="; ".join((choice.why, *remarks)),
        rows=choice.rows,
        steps=len(steps),
        seconds=sum(line.seconds for line in steps),
    )


def _make_stage(
    lessons: Lessons, recipe: Recipe, course: Course, *, run: Path, device: str, team: Team
) -> "_Stage | GrpoStage":
    if course.phase != "grpo":
        return _Stage(lessons, recipe, course, run=run, device=device, team=team)
    # Here, since TRL takes seconds that no other method wants.
    from tune.methods.grpo import GrpoStage  # noqa: PLC0415

    load = partial(load_learner, recipe, device=device)
    return GrpoStage(lessons, recipe, course, run=run, device=device, load=load, team=team)


class _Stage:
    """One method's turn."""

    def __init__(self, lessons: Lessons, recipe: Recipe, course: Course, *, run: Path, device: str, team: Team) -> None:
        self._lessons, self._recipe, self._course = lessons, recipe, course
        self._run, self._device, self._team = run, device, team
        self._appetite = Appetite(recipe.micro_batch_size)
        self._taken = course.plan.steps

    @property
    def remarks(self) -> Sequence[str]:
        """What went otherwise than ordered."""
        return [*self._appetite.remarks, *self._course.describe_cut(self._taken)]

    def train(self, start: Path | None) -> Path:
        """The last checkpoint; `start` holds the adapter or model to go on from, None begins as the base model."""
        last = self._train(start)
        self._taken = step_of(last)
        return last

    def _train(self, start: Path | None) -> Path:
        phase = self._course.phase
        if last := find_last(self._run, self._course):
            return last
        model = load_learner(self._recipe, start, device=self._device)
        if phase != "sft":
            # A margin between two passes would be their dice's.
            _switch_off_dropout(model)
        base = identify_base(self._recipe.base_model)
        arithmetic = choose_arithmetic(
            model, self._lessons.rows_of(phase), device=self._device, keeping=self._keeping(base)
        )

        def measure(rows: Sequence[Encoded]) -> torch.Tensor:
            return measure_together(
                model, rows, arithmetic=arithmetic, appetite=self._appetite, team=self._team,
                where=f"the reference of {phase}",
            )  # fmt: skip

        made_by = describe(model, base, arithmetic.name)
        objective = self._objective(self._lessons, self._course.plan, start, measure, made_by=made_by)
        return take_steps(
            model, objective, self._course, arithmetic=arithmetic, appetite=self._appetite, recipe=self._recipe,
            run=self._run, device=self._device, team=self._team,
            validation=self._validation(start, measure, made_by=made_by),
        )  # fmt: skip

    @property
    def _kept(self) -> Path:
        return Path(self._recipe.kept or self._run / KEPT)

    def _keeping(self, base: str) -> Keeping | None:
        limit_bytes = int(self._recipe.kept_gib * 2**30)
        return Keeping(Shelf(self._kept, limit_bytes=limit_bytes), base) if limit_bytes else None

    def _ask(self, start: Path | None, measure: Measure, *, made_by: str) -> Ask:
        """Asks the adapter in `start`. What another run may ask of it too is kept for that."""
        name = hash_weights(start)[:16] if start else "base"
        file = f"{REFERENCES}/{made_by}-{name}.jsonl"
        if self._recipe.kept and (start is None or start == Path(self._recipe.start)):
            measure = one_by_one(measure) if self._device == "cpu" else measure  # a GPU promises no bits
            return partial(ask_reference, self._kept / file, measure=measure, team=self._team)
        return partial(ask_reference, self._run / file, measure=measure, team=self._team)

    def _validation(self, start: Path | None, measure: Measure, *, made_by: str) -> Measuring | None:
        """What of the held-out rows measures this stage; None where nothing does."""
        held_out = self._lessons.validation
        count = held_out.count(self._course.phase)
        if not count:
            return None
        at_once = Plan(tuple(range(count)), steps=1, rows_per_epoch=count, batch_size=count)
        return Measuring(self._objective(held_out, at_once, start, measure, made_by=made_by), count)

    def _objective(
        self, rows: Lessons | HeldOut, plan: Plan, start: Path | None, measure: Measure, *, made_by: str
    ) -> Objective:
        """What the stage minimises, of rows that meet by the plan."""
        recipe, phase = self._recipe, self._course.phase
        if phase == "sft":
            return Sft(rows.imitated)
        ask = self._ask(start, measure, made_by=made_by)
        if phase == "dpo":
            return Dpo(
                rows.compared,
                ask([row for pair in rows.compared for row in (pair.chosen, pair.rejected)]),
                beta=recipe.dpo_beta,
                sft_weight=recipe.dpo_sft_weight,
                label_smoothing=recipe.dpo_label_smoothing,
            )
        return self._kto(rows.voted, plan, ask)

    def _kto(self, votes: Sequence[Voted], plan: Plan, ask: Ask) -> Kto:
        recipe = self._recipe
        asked = [vote.row for vote in votes]
        measures_drift = recipe.kto_loss == "kto"
        if measures_drift:
            asked += all_mismatches(votes, plan, max_tokens=recipe.max_tokens)
        return Kto(
            votes,
            ask(asked),
            beta=recipe.kto_beta,
            measures_drift=measures_drift,
            max_tokens=recipe.max_tokens,
            by_kind=balance(self._lessons.voted),
        )


def _switch_off_dropout(model: LearningModel) -> None:
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif getattr(module, "attention_dropout", 0.0):
            module.attention_dropout = 0.0
