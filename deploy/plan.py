"""What a night is made of: its steps, its folder and what each step left there.

A step's result is a file, written last, so a night that was cut off finds what is done and goes on behind it.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic


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


class DatasetNote(BaseModel):
    """Which dataset a night trains on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_hash: str
    train_rows: int
    held_out_rows: int
    held_out_conversations: int
    pairs: int
    votes: int
    new_rows: int


@dataclass(frozen=True, slots=True)
class NightFolder:
    root: Path

    @property
    def snapshot(self) -> Path:
        return self.root / "snapshot"

    @property
    def dataset_note(self) -> Path:
        return self.root / "dataset.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def evaluation(self) -> Path:
        return self.root / "evaluation"

    def read_dataset_note(self) -> DatasetNote | None:
        if not self.dataset_note.exists():
            return None
        return DatasetNote.model_validate_json(self.dataset_note.read_bytes())

    def write_dataset_note(self, note: DatasetNote) -> None:
        write_atomic(self.dataset_note, note.model_dump_json(indent=2) + "\n")
