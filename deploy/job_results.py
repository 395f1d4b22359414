"""A job's folder, and what is told of its training: events for each step, and OpenAI's table of them as CSV."""

import csv
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tune.progress import StepLine, read_steps

COLUMNS: Final = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")


@dataclass(frozen=True, slots=True)
class JobFolder:
    root: Path

    @property
    def training(self) -> Path:
        return self.root / "training.jsonl"

    @property
    def validation(self) -> Path:
        return self.root / "validation.jsonl"

    @property
    def dataset(self) -> Path:
        return self.root / "dataset"

    @property
    def run(self) -> Path:
        return self.root / "run"

    def take(self, training: Path, validation: Path | None) -> None:
        """The files, as they are now: their owner may delete them meanwhile. Nobody changes one."""
        self.root.mkdir(parents=True)
        os.link(training, self.training)
        if validation:
            os.link(validation, self.validation)


class Results(NamedTuple):
    file: Path
    trained_tokens: int
    metrics: Mapping[int, Mapping[str, float | int | None]]
    """Of each step, as a checkpoint tells them."""


class Told(NamedTuple):
    message: str
    data: dict[str, float | int | None]


def describe_step(step: StepLine) -> Told:
    """For an event."""
    data = {
        "step": step.step,
        "total_steps": step.steps,
        "train_loss": _rounded(step.loss),
        "train_mean_token_accuracy": None,
        "full_valid_loss": _rounded(step.valid_loss),
    }
    valid = "" if step.valid_loss is None else f", validation loss={step.valid_loss:.2f}"
    return Told(f"Step {step.step}/{step.steps}: training loss={step.loss:.2f}{valid}", data)


def describe_checkpoint(step: int, *, train_loss: float, valid_loss: float | None) -> dict[str, float | int | None]:
    """OpenAI's metrics of a checkpoint. What is validated is always all of the file, so both names say the same."""
    valid_loss = _rounded(valid_loss)
    return {
        "step": step,
        "train_loss": _rounded(train_loss),
        "train_mean_token_accuracy": None,
        "valid_loss": valid_loss,
        "valid_mean_token_accuracy": None,
        "full_valid_loss": valid_loss,
        "full_valid_mean_token_accuracy": None,
    }


def write_results(folder: JobFolder) -> Results:
    """A line for each step; what is not measured is left empty."""
    file = folder.root / "step_metrics.csv"
    steps = read_steps(folder.run)
    with file.open("w", newline="", encoding="utf-8") as lines:
        table = csv.writer(lines)
        table.writerow(COLUMNS)
        table.writerows(
            (s.step, f"{s.loss:.5f}", _figure(s.rewards_accuracy), _figure(s.valid_loss), "") for s in steps
        )
    metrics = {s.step: describe_checkpoint(s.step, train_loss=s.loss, valid_loss=s.valid_loss) for s in steps}
    return Results(file, sum(step.tokens for step in steps), metrics)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
