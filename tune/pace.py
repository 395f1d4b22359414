"""How many steps fit before a training must be done, by the speed it was seen to have.

A run folder may hold a moment, `deadline`. Then the steps are counted anew now and then: to fewer where the time will
not do, and back towards all of them where the machine got faster. The learning rate falls along the same curve, only
sooner, so that it has reached its end wherever the run ends. Each change is a line of `pace.jsonl`, so that a resumed
run falls along the same curve. Without a deadline nothing of this happens. Does not train and knows no clock.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic

DEADLINE: Final = "deadline"
PACE: Final = "pace.jsonl"
SEEN: Final = 3
"""Steps that were seen before anything is planned by them, and the latest ones that count."""
PERIOD: Final = 5
"""Steps between two plans, but for the last ones."""
SPARE: Final = 0.1
"""Of the time left that is not planned: what comes behind the last step wants some."""


class Bend(BaseModel):
    """From `step` on the rest of the curve is spread over the steps up to `steps`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    step: int
    share: float
    """Of the curve that lay behind at `step`."""
    steps: int
    """Of the whole phase."""
    planned: int
    """Steps there would be without a deadline."""


class Pace:
    """The plan of one phase of a run: how many steps it takes, and how far along its curve each of them is."""

    def __init__(self, run: Path, *, phase: str, planned: int, resumed_at: int = 0) -> None:
        """What was planned for steps behind `resumed_at` is forgotten, since they will be taken again."""
        self._run, self._phase, self._planned = run, phase, planned
        kept = [bend for bend in read_bends(run) if bend.phase != phase or bend.step <= resumed_at]
        self._others = [bend for bend in kept if bend.phase != phase]
        self._bends = [bend for bend in kept if bend.phase == phase and bend.planned == planned]
        self._seconds: list[float] = []

    @property
    def steps(self) -> int:
        return self._bends[-1].steps if self._bends else self._planned

    def share_at(self, step: int) -> float:
        """Of the curve that lies behind at `step`: 0..1."""
        bend = next((bend for bend in reversed(self._bends) if bend.step <= step), None)
        if bend is None:
            return min(1.0, step / self._planned)
        rest = max(1, bend.steps - bend.step)
        return min(1.0, bend.share + (1 - bend.share) * (step - bend.step) / rest)

    def see(self, step: int, *, seconds: float, left_s: float) -> None:
        """Note that `step` is done and took so long; plan anew where it is time to."""
        if step >= self.steps:
            return
        self._seconds = [*self._seconds, seconds][-SEEN:]
        steps = fitting_steps(self._seconds, done=step, planned=self._planned, left_s=left_s)
        is_due = len(self._seconds) == SEEN and (step % PERIOD == 0 or step == SEEN or self.steps - step < PERIOD)
        if steps == step or (is_due and steps != self.steps):
            bend = Bend(phase=self._phase, step=step, share=self.share_at(step), steps=steps, planned=self._planned)
            self._bends.append(bend)
            lines = [*self._others, *self._bends]
            write_atomic(self._run / PACE, "".join(line.model_dump_json() + "\n" for line in lines))


def fitting_steps(seconds: Sequence[float], *, done: int, planned: int, left_s: float) -> int:
    """How many steps there are in all if each that is left takes as long as those before it: `done` to `planned`."""
    each_s = max(statistics.median(seconds), 1e-9)
    return min(planned, done + int(max(0.0, left_s) * (1 - SPARE) / each_s))


def read_bends(run: Path) -> list[Bend]:
    lines = (run / PACE).read_bytes().splitlines() if (run / PACE).exists() else []
    return [Bend.model_validate_json(line) for line in lines]


def count_cut(run: Path) -> int:
    """Steps that the run's phases will not take, as it looks now."""
    newest = {bend.phase: bend for bend in read_bends(run)}
    return sum(bend.planned - bend.steps for bend in newest.values())


def write_deadline(run: Path, at_s: float) -> None:
    """The moment, in seconds since 1970, by which the run is to be done."""
    write_atomic(run / DEADLINE, f"{at_s:.0f}\n")


def read_deadline(run: Path) -> float | None:
    return float((run / DEADLINE).read_text(encoding="utf-8")) if (run / DEADLINE).exists() else None
