"""Take the steps of one stage, in an order fixed beforehand: killable and resumable at any step, told as they go.

The order of rows comes from the seed, for all epochs at once, so a resumed stage sees what an uninterrupted one would
have seen. A step's rows are computed in micro-batches of like lengths, each of which gives its share of the step's
loss: the cut changes nothing but rounding, and where memory is short it is made finer and the step taken again.
Of several processes (`tune.team`) each computes a share of the step's rows, and the gradients are summed.
transformers' trainer owns optimizer, schedule and checkpoints. Does not know what is minimised (`Objective`).
"""

import resource
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import Trainer, TrainerCallback, TrainingArguments

from tune.batches import pass_ends
from tune.encode import Encoded
from tune.learner import LearningModel
from tune.methods.arithmetic import Arithmetic, Unit
from tune.methods.course import Course
from tune.methods.frozen import Measure, measure_together
from tune.methods.memory import Appetite
from tune.methods.passes import KeepPasses
from tune.methods.trainer import common_arguments, run_trainer
from tune.recipe import Recipe
from tune.team import Team


class Share(NamedTuple):
    """What some of a step's rows contribute to it."""

    loss: Tensor
    figures: Mapping[str, float] = MappingProxyType({})
    """To the optional fields of the step's line, by name."""


StepLoss = Callable[[Sequence[int], Tensor], Share]
"""Given units by their position in the step and their log-likelihoods (k, rows of a unit)."""


class Objective(Protocol):
    """What a method minimises, over rows that are known by number."""

    def units(self, rows: Sequence[int]) -> list[Unit]: ...

    def open_step(self, rows: Sequence[int], measure: Measure, /) -> StepLoss:
        """The loss of a step over these rows."""
        ...


class Measuring(NamedTuple):
    """Held-out rows, by what a stage minimises: they measure it and teach it nothing."""

    objective: Objective
    size: int


def take_steps(
    model: LearningModel,
    objective: Objective,
    course: Course,
    *,
    arithmetic: Arithmetic,
    appetite: Appetite,
    recipe: Recipe,
    run: Path,
    device: str,
    team: Team = Team(),
    validation: Measuring | None = None,
) -> Path:
    """Take what is left of the stage's steps, from its newest sound checkpoint on; the folder of the last one.

    Each step appends a line to metrics.jsonl, with the loss of the `validation` at the end of a pass. Raises
    TrainingFailed where the losses are no numbers or rise and rise, and where a single row needs more memory than
    there is.
    """
    if device != "cpu":
        model.enable_input_require_grads()  # or checkpointed layers of a frozen base would pass no gradient on
    trainer = _Trainer(
        model,
        objective,
        arithmetic,
        appetite,
        team,
        args=_arguments(recipe, course, run=run, device=device, saves=team.is_first),
        train_dataset=[{"row": row} for row in course.plan.order],
        data_collator=_collate,
    )
    if recipe.keeps_passes and recipe.adapter != "full" and team.is_first:
        trainer.add_callback(KeepPasses(recipe, course, run=run))
    if validation:
        trainer.add_callback(_Validate(trainer, validation, course))
    return run_trainer(trainer, course, run=run, team=team)


class _Trainer(Trainer):
    """transformers' trainer over numbers of rows."""

    def __init__(
        self, model: LearningModel, objective: Objective, arithmetic: Arithmetic, appetite: Appetite, team: Team,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(model, **kwargs)
        self.tokens = 0
        self.figures: Mapping[str, float] = {}
        """Of the latest step."""
        self.memory_mb = 0.0
        self._objective, self._arithmetic, self._appetite, self._team = objective, arithmetic, appetite, team

    def training_step(self, model: Any, inputs: Mapping[str, Any], *_: Any, **__: Any) -> Tensor:
        rows = inputs["row"].tolist()
        where = f"step {self.state.global_step + 1}"
        model.train()
        measure = partial(self.measure, model, where=where)
        units = self._objective.units(rows)
        sizes = [sum(len(row.input_ids) for row in unit) for unit in units]
        step_loss, own = self._objective.open_step(rows, measure), self._team.own_share(sizes)

        def compute(rows_at_once: int) -> _Computed:
            return self._compute(model, units, step_loss, own=own, rows_at_once=rows_at_once)

        computed = self._team.gather(lambda: self._appetite.feed(compute, where=where))
        self._team.sum_gradients(model.parameters())
        self.tokens = sum(sizes)
        self.memory_mb = max(part.memory_mb for part in computed)
        self.figures = _add_up([part.figures for part in computed])
        return torch.tensor(sum(part.loss for part in computed), device=self.args.device)

    def measure(self, model: Any, rows: Sequence[Encoded], *, where: str) -> Tensor:
        """Negative log-likelihoods of any rows under the model as it stands."""
        return measure_together(
            model, rows, arithmetic=self._arithmetic, appetite=self._appetite, team=self._team, where=where
        )

    def _compute(
        self, model: Any, units: Sequence[Unit], step_loss: StepLoss, *, own: Sequence[int], rows_at_once: int
    ) -> "_Computed":
        """Loss and gradients of some of a step's units."""
        model.zero_grad()  # of a try that ended for want of memory
        losses, figures = [], []
        for some in self._arithmetic.cut([units[number] for number in own], rows_at_once=rows_at_once) if own else ():
            at = [own[position] for position in some]
            found = self._arithmetic.measure(model, [row for number in at for row in units[number]])
            share = step_loss(at, found.view(len(at), -1))
            self.accelerator.backward(share.loss)
            losses.append(share.loss.detach())
            figures.append(share.figures)
        return _Computed(float(torch.stack(losses).sum()) if losses else 0.0, _add_up(figures), peak_mb())


class _Validate(TrainerCallback):
    """Adds to the line of a pass's last step what is minimised, of all held-out rows as if they were one step."""

    def __init__(self, trainer: _Trainer, held_out: Measuring, course: Course) -> None:
        self._trainer, self._objective, self._rows = trainer, held_out.objective, range(held_out.size)
        self._ends = pass_ends(course.plan)

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002 - as it is called
        if state.global_step in self._ends:
            measure = partial(self._trainer.measure, given["model"].eval(), where="the validation")
            loss_of = self._objective.open_step(self._rows, measure)
            units = self._objective.units(self._rows)
            found = measure([row for unit in units for row in unit]).view(len(units), -1)
            loss = float(loss_of(self._rows, found).loss)
            self._trainer.figures = {**self._trainer.figures, "valid_loss": loss}


class _Computed(NamedTuple):
    """One process's part of a step."""

    loss: float
    figures: Mapping[str, float]
    memory_mb: float
    """Most that it has held so far."""


def _add_up(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for some in figures:
        for name, value in some.items():
            total[name] = total.get(name, 0.0) + value
    return total


def _collate(rows: Sequence[Mapping[str, int]]) -> dict[str, Tensor]:
    return {"row": torch.tensor([row["row"] for row in rows])}


def peak_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _arguments(recipe: Recipe, course: Course, *, run: Path, device: str, saves: bool) -> TrainingArguments:
    given = common_arguments(recipe, course, run=run, device=device) | {"save_strategy": "steps" if saves else "no"}
    return TrainingArguments(
        per_device_train_batch_size=course.plan.batch_size,
        gradient_accumulation_steps=1,
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        label_names=[],
        **given,
    )
