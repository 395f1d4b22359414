"""Take the steps of one stage, in an order fixed beforehand: killable and resumable at any step, told as they go.

The order of rows comes from the seed, for all epochs at once, so a resumed stage sees what an uninterrupted one would
have seen. A step's rows are computed in micro-batches of like lengths, each of which gives its share of the step's
loss: the cut changes nothing but rounding, and where memory is short it is made finer and the step taken again.
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
from tune.methods.memory import Appetite
from tune.pace import Pace, read_deadline
from tune.progress import StepLine, append_step, forget_steps_after, read_steps
from tune.recipe import Recipe

log = logging.getLogger(__name__)

RECENT: Final = 10
"""So many latest steps say how long one takes."""

Measure = Callable[[Sequence[Encoded]], Tensor]
"""Negative log-likelihoods of rows (n,), without gradients."""


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
) -> Path:
    """Take what is left of the stage's steps, from its newest sound checkpoint on; the folder of the last one.

    Each step appends a line to metrics.jsonl. Raises TrainingFailed where the losses are no numbers or rise and rise,
    and where a single row needs more memory than there is.
    """
    found = find_checkpoint(run, course.phase)
    done = step_of(found) if found else 0
    forget_steps_after(run, done, phase=course.phase)
    log.info("phase=%s steps=%d resumed_at=%d", course.phase, course.plan.steps, done)
    if device != "cpu":
        model.enable_input_require_grads()  # or checkpointed layers of a frozen base would pass no gradient on
    folder = run / CHECKPOINTS / course.phase
    trainer = _Trainer(
        model,
        objective,
        arithmetic,
        appetite,
        args=_arguments(folder, recipe, course, device=device),
        train_dataset=[{"row": row} for row in course.plan.order],
        data_collator=_collate,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_Watch(trainer, run=run, course=course))
    if (done_by_s := read_deadline(run)) is not None:
        pace = Pace(run, phase=course.phase, planned=course.plan.steps, resumed_at=done)
        trainer.add_callback(KeepPace(pace, deadline_s=course.deadline(done_by_s, now_s=time.time(), done=done)))
    trainer.train(resume_from_checkpoint=str(found) if found else None)
    last = find_checkpoint(run, course.phase)
    assert last, "the trainer ends with a checkpoint"
    return last


class _Trainer(Trainer):
    """transformers' trainer over numbers of rows."""

    def __init__(
        self, model: LearningModel, objective: Objective, arithmetic: Arithmetic, appetite: Appetite, **kwargs: Any
    ) -> None:
        super().__init__(model, **kwargs)
        self.tokens = 0
        self.figures: dict[str, float] = {}
        """Of the latest step."""
        self._objective, self._arithmetic, self._appetite = objective, arithmetic, appetite

    def training_step(self, model: Any, inputs: Mapping[str, Any], *_: Any, **__: Any) -> Tensor:
        rows = inputs["row"].tolist()
        model.train()

        def compute(rows_at_once: int) -> Tensor:
            return self._compute(model, rows, rows_at_once=rows_at_once)

        return self._appetite.feed(compute, where=f"step {self.state.global_step + 1}")

    def _compute(self, model: Any, rows: Sequence[int], *, rows_at_once: int) -> Tensor:
        """Loss and gradients of a step."""
        model.zero_grad()  # of a try that ended for want of memory
        units = self._objective.units(rows)

        def measure(some: Sequence[Encoded]) -> Tensor:
            return measure_frozen(model, some, arithmetic=self._arithmetic, rows_at_once=rows_at_once)

        step_loss = self._objective.open_step(rows, measure)
        self.tokens = sum(len(row.input_ids) for unit in units for row in unit)
        self.figures.clear()
        losses = []
        for at in self._arithmetic.cut(units, rows_at_once=rows_at_once):
            found = self._arithmetic.measure(model, [row for number in at for row in units[number]])
            share = step_loss(at, found.view(len(at), -1))
            self.accelerator.backward(share.loss)
            losses.append(share.loss.detach())
            for name, value in share.figures.items():
                self.figures[name] = self.figures.get(name, 0.0) + value
        return torch.stack(losses).sum()


def measure_frozen(model: Any, rows: Sequence[Encoded], *, arithmetic: Arithmetic, rows_at_once: int) -> Tensor:
    """Negative log-likelihoods of any number of rows (n,), in their order and without gradients."""
    found: dict[int, Tensor] = {}
    units: list[Unit] = [(row,) for row in rows]
    with torch.no_grad():
        for at in arithmetic.cut(units, rows_at_once=rows_at_once):
            found |= zip(at, arithmetic.measure(model, [rows[number] for number in at]), strict=True)
    return torch.stack([found[number] for number in range(len(rows))])


def _collate(rows: Sequence[Mapping[str, int]]) -> dict[str, Tensor]:
    return {"row": torch.tensor([row["row"] for row in rows])}


class _Watch(TrainerCallback):
    """Writes a line for each step, stops at nonsense, and seals checkpoints by a manifest once they are whole."""

    def __init__(self, trainer: _Trainer, *, run: Path, course: Course) -> None:
        self._trainer, self._run, self._course = trainer, run, course
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
            memory_mb=_peak_mb(),
            left_s=steps_left * sum(recent) / len(recent),
        )


def _peak_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _arguments(folder: Path, recipe: Recipe, course: Course, *, device: str) -> TrainingArguments:
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
        save_strategy="steps",
        save_steps=recipe.checkpoint_steps,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
        dataloader_pin_memory=device != "cpu",
    )
