"""Which steps a stage of a run takes, and how far it is by its checkpoints, in `checkpoints/` by its method's name.

A checkpoint counts where its files are those of its manifest. Imports no torch. Does not know what a step does.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightschool.errors import InvalidInput
from nightschool.files import verify
from tune.batches import Plan
from tune.pace import Pace, read_deadline

log = logging.getLogger(__name__)

CHECKPOINTS: Final = "checkpoints"


@dataclass(frozen=True, slots=True)
class Course:
    """Which steps a stage takes, and how many others come behind it in the run."""

    phase: str
    plan: Plan
    learning_rate: float
    steps_behind: int

    def deadline(self, done_by_s: float, *, now_s: float, done: int) -> float:
        """When the stage is to end, so that those behind it have time for their steps until all is to be done."""
        own = self.plan.steps - done
        return now_s + (done_by_s - now_s) * own / (own + self.steps_behind)

    def describe_cut(self, taken: int) -> list[str]:
        """In words that fewer steps were taken than planned; nothing where none is missing."""
        planned = self.plan.steps
        return [f"ended after {taken} of {planned} steps, to be done in time"] if taken < planned else []


def find_last(run: Path, course: Course) -> Path | None:
    """The checkpoint with which the stage has ended; None where it has not."""
    found = find_checkpoint(run, course.phase)
    if found is None:
        return None
    return found if step_of(found) >= count_steps(run, course, done=step_of(found)) else None


def count_steps(run: Path, course: Course, *, done: int) -> int:
    """How many steps the stage takes: fewer than planned where it is to be done in time."""
    if read_deadline(run) is None:
        return course.plan.steps
    return Pace(run, phase=course.phase, planned=course.plan.steps, resumed_at=done).steps


def find_checkpoint(run: Path, phase: str) -> Path | None:
    """The stage's newest checkpoint whose files are those of its manifest; a broken one is passed over."""
    for checkpoint in sorted((run / CHECKPOINTS / phase).glob("checkpoint-*"), key=step_of, reverse=True):
        try:
            verify(checkpoint)
        except InvalidInput as error:
            log.warning("checkpoint passed over: %s", error)
            continue
        return checkpoint
    return None


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])
