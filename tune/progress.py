"""How far a training run is, read from the lines that it appends to `metrics.jsonl`. Imports no torch.

One writer (the trainer), any number of readers; a line that is still being written is not read yet.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.files import write_atomic

METRICS: Final = "metrics.jsonl"
RECENT: Final = 10


class StepLine(BaseModel):
    """One optimizer step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    step: int
    """Of its phase, from 1."""
    steps: int
    epoch: float
    """Passes over the rows so far, with fractions."""
    loss: float
    """What the phase minimises; in `sft` the mean negative log-likelihood of the step's answer tokens, in nats."""
    learning_rate: float
    tokens: int
    """Of the step's rows, prompts included, padding not."""
    tokens_per_s: float
    seconds: float
    """Wall time of the step."""
    rewards_margin: float | None = None
    """By how much better answers are rewarded more than worse ones; only where answers are compared."""
    rewards_accuracy: float | None = None
    """Share 0..1 of the step's pairs whose better answer is rewarded more."""
    reward: float | None = None
    """Mean 0..1 over the step's own answers; only where a judge rewards them."""
    valid_loss: float | None = None
    """The same as `loss`, of held-out rows behind this step; at the end of a pass only."""
    memory_mb: float | None = None
    """Most that the trainer has held so far."""
    left_s: float | None = None
    """Until the end of the whole run, all its phases, as the trainer plans it."""


class Curve(NamedTuple):
    """One figure of a phase, step by step."""

    title: str
    points: Sequence[tuple[int, float]]
    """Step and value; none of steps that gave no number."""


_DRAWN: Final[tuple[tuple[str, Callable[[StepLine], float | None]], ...]] = (
    ("loss", lambda step: step.loss),
    ("reward margin", lambda step: step.rewards_margin),
    ("reward", lambda step: step.reward),
)


def curves_of(steps: Iterable[StepLine]) -> list[Curve]:
    """What is drawn of the steps of one phase, but for what it does not measure."""
    steps = list(steps)
    curves = []
    for title, read in _DRAWN:
        given = [(step.step, value) for step in steps if (value := read(step)) is not None]
        if given:
            curves.append(Curve(title, [(at, value) for at, value in given if math.isfinite(value)]))
    return curves


class TrainingProgress(NamedTuple):
    phase: str
    step: int
    steps: int
    loss: float
    learning_rate: float
    tokens_per_s: float
    """Mean of the latest steps."""
    spent_s: float
    """In steps, over all phases."""
    eta_s: float
    """Until the end of the run where the trainer plans that far, else of the phase."""
    rewards_margin: float | None = None
    rewards_accuracy: float | None = None
    memory_mb: float | None = None
    reward: float | None = None

    @property
    def share(self) -> float:
        """0..1 of the time that it takes."""
        whole_s = self.spent_s + self.eta_s
        return self.spent_s / whole_s if whole_s else self.step / max(self.steps, 1)


class StepFollower:
    """Reads a run's lines as they come, each of them once. Belongs to one reader."""

    def __init__(self, run: Path) -> None:
        self._file = run / METRICS
        self._offset = 0
        self._last = b""
        self._steps: list[StepLine] = []

    def read(self) -> Sequence[StepLine]:
        """Every step so far; begins anew where the file was written anew, as a resumed run does."""
        with suppress(FileNotFoundError), self._file.open("rb") as file:
            file.seek(self._offset - len(self._last))
            if file.read(len(self._last)) != self._last:
                self._offset, self._last, self._steps = 0, b"", []
                file.seek(0)
            raw = file.read()
            lines = raw[: raw.rfind(b"\n") + 1].splitlines(keepends=True)
            if lines:
                self._offset += sum(map(len, lines))
                self._last = lines[-1]
                self._steps += _parse(lines)
        return self._steps

    def progress(self) -> TrainingProgress | None:
        """Where the run stands; None before its first step."""
        steps = self.read()
        if not steps:
            return None
        last = steps[-1]
        recent = [step for step in steps[-RECENT:] if step.phase == last.phase]
        seconds = sum(step.seconds for step in recent)
        return TrainingProgress(
            phase=last.phase,
            step=last.step,
            steps=last.steps,
            loss=last.loss,
            learning_rate=last.learning_rate,
            tokens_per_s=sum(step.tokens for step in recent) / max(seconds, 1e-9),
            spent_s=sum(step.seconds for step in steps),
            eta_s=(last.steps - last.step) * seconds / len(recent) if last.left_s is None else last.left_s,
            rewards_margin=last.rewards_margin,
            rewards_accuracy=last.rewards_accuracy,
            memory_mb=last.memory_mb,
            reward=last.reward,
        )


def read_steps(run: Path) -> Sequence[StepLine]:
    """Every step that the run in `run` took."""
    return StepFollower(run).read()


def append_step(run: Path, line: StepLine) -> None:
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(_as_line(line))


def forget_steps_after(run: Path, step: int, *, phase: str) -> None:
    """Drop the lines of steps that a resumed phase will take again, and a line that a kill cut off."""
    if (run / METRICS).exists():
        lines = _parse((run / METRICS).read_bytes().splitlines())
        kept = [line for line in lines if line.phase != phase or line.step <= step]
        write_atomic(run / METRICS, "".join(map(_as_line, kept)))


def _as_line(line: StepLine) -> str:
    return line.model_dump_json(exclude_none=True) + "\n"


def _parse(lines: Sequence[bytes]) -> list[StepLine]:
    """Every whole line: a power cut may leave NULs or half a line anywhere."""
    steps = []
    for line in lines:
        with suppress(ValidationError):
            steps.append(StepLine.model_validate_json(line))
    return steps


def describe_seconds(seconds: float) -> str:
    """In the one or two units that say anything: `45 s`, `2 min 10 s`, `3 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
