"""What a night is made of: its steps, its folder and what each step left there.

A step's result is a file, written last, so a night that was cut off finds what is done and goes on behind it.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nightschool.files import write_atomic
from tune.dataset import DatasetSummary


class Step(StrEnum):
    """In order."""

    SNAPSHOT = "snapshot"
    DATASET = "dataset"
    TRAIN = "train"
    REGISTER = "register"
    LOAD = "load"
    EVALUATE = "evaluate"
    DECIDE = "decide"
    REPORT = "report"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class NightFolder:
    root: Path

    @property
    def snapshot(self) -> Path:
        return self.root / "snapshot"

    @property
    def dataset_file(self) -> Path:
        return self.root / "dataset.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation"

    def read_dataset(self) -> DatasetSummary | None:
        if not self.dataset_file.exists():
            return None
        return DatasetSummary.model_validate_json(self.dataset_file.read_bytes())

    def write_dataset(self, data: DatasetSummary) -> None:
        write_atomic(self.dataset_file, data.model_dump_json(indent=2) + "\n")
