"""Run one of transformers' trainers through a stage: from its newest checkpoint, watched, in time, to its last one.

Every stage that takes steps goes this way, whoever wrote the trainer. Does not know what is minimised.
"""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

from transformers import PrinterCallback, TrainerCallback

from nightschool.errors import TrainingFailed
from nightschool.files import publish
from tune.health import find_trouble
from tune.methods.course import CHECKPOINTS, Course, find_checkpoint, step_of
from tune.methods.deadline import KeepPace
from tune.pace import Pace, read_deadline
from tune.progress import StepLine, append_step, forget_steps_after, read_steps
from tune.recipe import Recipe
from tune.team import Team

log = logging.getLogger(__name__)

RECENT: Final = 10
"""So many latest steps say how long one takes."""


def run_trainer(trainer: Any, course: Course, *, run: Path, team: Team = Team()) -> Path:
    """Take what is left of the stage's steps, watched and in time; the folder of the last one.

    `trainer` is one of transformers with `tokens`, `figures` and `memory_mb` of its latest step.
    """
    found = find_checkpoint(run, course.phase)
    done = step_of(found) if found else 0
    if team.is_first:
        forget_steps_after(run, done, phase=course.phase)
    team.wait()
    log.info("phase=%s steps=%d resumed_at=%d", course.phase, course.plan.steps, done)
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


def common_arguments(recipe: Recipe, course: Course, *, run: Path, device: str) -> dict[str, Any]:
    """What every stage tells transformers' trainer, whatever it minimises."""
    return {
        "output_dir": str(run / CHECKPOINTS / course.phase),
        "use_cpu": device == "cpu",
        # The base model is loaded in the type it computes in; autocast would cast at every layer.
        "bf16": False,
        "gradient_checkpointing": device != "cpu",
        "num_train_epochs": 1,  # the order holds every epoch
        "learning_rate": course.learning_rate,
        "lr_scheduler_type": "cosine",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch",
        "seed": recipe.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": recipe.checkpoint_steps,
        "save_total_limit": 2,
        "report_to": "none",
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device != "cpu",
    }


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
