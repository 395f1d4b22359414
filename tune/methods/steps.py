"""Take the steps of one stage, in an order fixed beforehand: killable and resumable at any step, told as they go.

The order of rows comes from the seed, for all epochs at once, so a resumed stage sees what an uninterrupted one would
have seen. A step's rows are computed in micro-batches of like lengths, each of which gives its share of the step's
loss: the cut changes nothing but rounding, and where memory is short it is made finer and the step taken again.
Of several processes (`tune.team`) each computes a share of the step's rows, and the gradients are summed.
transformers' trainer owns optimizer, schedule and checkpoints. Does not know what is minimised (`Objective`).
"""

import logging
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import torch
from torch import Tensor
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from nightschool.errors import TrainingFailed
from nightschool.files import publish
from tune.encode import Encoded
from tune.health import find_trouble
from tune.learner import LearningModel
from tune.methods.arithmetic import Arithmetic, Unit
from tune.methods.course import CHECKPOINTS, Course, find_checkpoint, step_of
from tune.methods.deadline import KeepPace
from tune.methods.frozen import Measure, measure_together
from tune.methods.memory import Appetite
from tune.pace import Pace, read_deadline
from tune.progress import StepLine, append_step, forget_steps_after, read_steps
from tune.recipe import Recipe
from tune.team import Team

log = logging.getLogger(__name__)

RECENT: Final = 10
"""So many latest steps say how long one takes."""


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
) -> Path:
    """Take what is left of the stage's steps, from its newest sound checkpoint on; the folder of the last one.

    Each step appends a line to metrics.jsonl. Raises TrainingFailed where the losses are no numbers or rise and rise,
    and where a single row needs more memory than there is.
    """
    found = find_checkpoint(run, course.phase)
    done = step_of(found) if found else 0
    if team.is_first:
        forget_steps_after(run, done, phase=course.phase)
    team.wait()
    log.info("phase=%s steps=%d resumed_at=%d", course.phase, course.plan.steps, done)
    if device != "cpu":
        model.enable_input_require_grads()  # or checkpointed layers of a frozen base would pass no gradient on
    folder = run / CHECKPOINTS / course.phase
    trainer = _Trainer(
        model,
        objective,
        arithmetic,
        appetite,
        team,
        args=_arguments(folder, recipe, course, device=device, saves=team.is_first),
        train_dataset=[{"row": row} for row in course.plan.order],
        data_collator=_collate,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Watch(trainer, run=run, course=course, team=team))
    if (done_by_s := read_deadline(run)) is not None:
        pace = Pace(run, phase=course.phase, planned=course.plan.steps, resumed_at=done)
        deadline_s = course.deadline(done_by_s, now_s=time.time(), done=done)
        trainer.add_callback(KeepPace(pace, deadline_s=deadline_s, team=team))
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    team.wait()  # the first one has saved
    last = find_checkpoint(run, course.phase)
    assert last, "the trainer ends with a checkpoint"
    return last


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

        def measure(some: Sequence[Encoded]) -> Tensor:
            return measure_together(
                model, some, arithmetic=self._arithmetic, appetite=self._appetite, team=self._team, where=where
            )

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


class Watched(Protocol):
    """A trainer that says of its latest step what transformers' does not."""

    state: Any
    tokens: int
    figures: Mapping[str, float]
    memory_mb: float


class Watch(TrainerCallback):
    """Writes a line for each step, stops at nonsense, and seals checkpoints by a manifest once they are whole."""

    def __init__(self, trainer: Watched, *, run: Path, course: Course, team: Team = Team()) -> None:
        self._trainer, self._run, self._course, self._team = trainer, run, course, team
        before = [line for line in read_steps(run) if line.phase == course.phase]
        self._losses = [line.loss for line in before]
        self._seconds = [line.seconds for line in before]
        self._began = 0.0

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began = time.monotonic()

    def on_log(self, *_: Any, **given: Any) -> None:
        logs: Mapping[str, float] = given["logs"]
        if "loss" not in logs:  # the summary at the end
            return
        self._losses.append(logs["loss"])
        if trouble := find_trouble(self._losses, gradient=logs.get("grad_norm", 0.0)):
            raise TrainingFailed(
                trouble,
                subject=self._run.name,
                remedy="Lower the learning rate, or look for broken rows in the dataset.",
            )
        self._seconds.append(time.monotonic() - self._began)
        if self._team.is_first:
            append_step(self._run, self._line(logs))

    def on_save(self, *_: Any, **__: Any) -> None:
        step = self._trainer.state.global_step
        folder = self._run / CHECKPOINTS / self._course.phase / f"checkpoint-{step}"
        publish(folder, kind="checkpoint", about={"step": step})

    def _line(self, logs: Mapping[str, float]) -> StepLine:
        trainer, plan, seconds = self._trainer, self._course.plan, self._seconds[-1]
        step = trainer.state.global_step
        recent = self._seconds[-RECENT:]
        steps = trainer.state.max_steps  # fewer than planned where it is to be done in time
        steps_left = steps - step + self._course.steps_behind
        return StepLine(
            phase=self._course.phase,
            step=step,
            steps=steps,
            epoch=min(step * plan.batch_size, len(plan.order)) / plan.rows_per_epoch,
            loss=logs["loss"],
            learning_rate=logs["learning_rate"],
            tokens=trainer.tokens,
            tokens_per_s=trainer.tokens / max(seconds, 1e-9),
            seconds=seconds,
            **trainer.figures,
            memory_mb=trainer.memory_mb,
            left_s=steps_left * sum(recent) / len(recent),
        )


def peak_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _arguments(folder: Path, recipe: Recipe, course: Course, *, device: str, saves: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        use_cpu=device == "cpu",
        # The base model is loaded in the type it computes in; autocast would cast at every layer.
        bf16=False,
        gradient_checkpointing=device != "cpu",
        per_device_train_batch_size=course.plan.batch_size,
        gradient_accumulation_steps=1,
        num_train_epochs=1,  # the order holds every epoch
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        label_names=[],
        learning_rate=course.learning_rate,
        lr_scheduler_type="cosine",
        weight_decay=0.0,
        max_grad_norm=1.0,
        optim="adamw_torch",
        seed=recipe.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="steps" if saves else "no",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device != "cpu",
    )
