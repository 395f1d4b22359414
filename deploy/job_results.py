"""A job's folder, and what is told of its training: events for each step, and OpenAI's table of them as CSV."""

import csv
import os
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


class Told(NamedTuple):
    message: str
    data: dict[str, float | int | None]


def describe_step(step: StepLine) -> Told:
    """For an event."""
    data = {
        "step": step.step,
        "total_steps": step.steps,
        "train_loss": round(step.loss, 5),
        "train_mean_token_accuracy": None,
        "full_valid_loss": None if step.valid_loss is None else round(step.valid_loss, 5),
    }
    valid = "" if step.valid_loss is None else f", validation loss={step.valid_loss:.2f}"
    return Told(f"Step {step.step}/{step.steps}: training loss={step.loss:.2f}{valid}", data)


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
    return Results(file, sum(step.tokens for step in steps))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
