"""How far a training run is, read from the lines that it appends to `metrics.jsonl`. Imports no torch.

One writer (the trainer), any number of readers; a line that is still being written is not read yet.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.files import write_atomic

METRICS: Final = "metrics.jsonl"
TAIL_BYTES: Final = 8_000
RECENT: Final = 10


class StepLine(BaseModel):
    """One optimizer step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    phase: str
    step: int
    steps: int
    epoch: float
    """Passes over the rows so far, with fractions."""
    loss: float
    """Mean negative log-likelihood of the step's answer tokens, in nats."""
    learning_rate: float
    tokens: int
    """Of the step's rows, prompts included, padding not."""
    tokens_per_s: float
    seconds: float
    """Wall time of the step."""


class TrainingProgress(NamedTuple):
    step: int
    steps: int
    loss: float
    tokens_per_s: float
    """Mean of the latest steps."""
    eta_s: float


def read_progress(run: Path) -> TrainingProgress | None:
    """Where the run in `run` stands; None before its first step."""
    lines = _read_tail(run / METRICS)
    if not lines:
        return None
    last = lines[-1]
    recent = [line for line in lines if line.phase == last.phase][-RECENT:]
    seconds = sum(line.seconds for line in recent)
    return TrainingProgress(
        step=last.step,
        steps=last.steps,
        loss=last.loss,
        tokens_per_s=sum(line.tokens for line in recent) / max(seconds, 1e-9),
        eta_s=(last.steps - last.step) * seconds / len(recent),
    )


def append_step(run: Path, line: StepLine) -> None:
    with (run / METRICS).open("a", encoding="utf-8") as file:
        file.write(line.model_dump_json() + "\n")


def forget_steps_after(run: Path, step: int) -> None:
    """Drop the lines of steps that a resumed run will take again, and a line that a kill cut off."""
    if (run / METRICS).exists():
        kept = [line for line in _parse((run / METRICS).read_bytes().splitlines()) if line.step <= step]
        write_atomic(run / METRICS, "".join(line.model_dump_json() + "\n" for line in kept))


def _read_tail(file: Path) -> list[StepLine]:
    if not file.exists():
        return []
    with file.open("rb") as handle:
        size = handle.seek(0, 2)
        handle.seek(max(0, size - TAIL_BYTES))
        lines = handle.read().splitlines(keepends=True)
    return _parse(lines if size <= TAIL_BYTES else lines[1:])


def _parse(lines: Sequence[bytes]) -> list[StepLine]:
    """Every whole line: a last one may still be written, and a power cut may leave NULs or half a line anywhere."""
    steps = []
    for line in lines:
        with suppress(ValidationError):
            steps.append(StepLine.model_validate_json(line))
    return steps
