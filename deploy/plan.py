"""What a night is made of: its steps, its folder and what each step left there.

A step's result is a file, written last, so a night that was cut off finds what is done and goes on behind it.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.bots import Bot
from nightschool.files import write_atomic
from nightschool.records import Outcome
from tune.dataset import DatasetSummary


class Step(StrEnum):
    """In order."""

    BEGIN = "begin"
    """Where a due night stays that could not begin."""
    SNAPSHOT = "snapshot"
    DATASET = "dataset"
    TRAIN = "train"
    REGISTER = "register"
    LOAD = "load"
    EVALUATE = "evaluate"
    DECIDE = "decide"
    REPORT = "report"
    FINISHED = "finished"


class Terms(BaseModel):
    """What a night was begun with. It goes by this to its end, whatever is edited while it runs or is cut off."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    actor: str
    force: bool
    """Train also where nothing is new since the last adapter."""
    bot: Bot
    """The bot's file as it was: recipe, sampling and gate."""
    base_model: str = ""
    """Which one it was, by `nightschool.identity.identify_base`; empty where an older Nightschool began the night."""


class Decision(NamedTuple):
    """What a night comes to."""

    outcome: Outcome
    reasons: tuple[str, ...]
    figures_json: str


class Sitting(BaseModel):
    """How the bot stood when an exam began, so that a move by an operator since then is seen whenever it ends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    moves: int
    """How often its production had changed by then."""


@dataclass(frozen=True, slots=True)
class NightFolder:
    root: Path

    @property
    def terms_file(self) -> Path:
        return self.root / "night.json"

    @property
    def sitting_file(self) -> Path:
        return self.root / "sitting.json"

    @property
    def snapshot(self) -> Path:
        return self.root / "snapshot"

    @property
    def order_file(self) -> Path:
        return self.root / "build.json"

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

    def read_terms(self) -> Terms | None:
        """None where there are none, or those of another Nightschool: the bot's file says as much."""
        try:
            return Terms.model_validate_json(self.terms_file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write_terms(self, terms: Terms) -> None:
        write_atomic(self.terms_file, terms.model_dump_json(indent=2) + "\n")

    def read_sitting(self) -> Sitting:
        return Sitting.model_validate_json(self.sitting_file.read_bytes())

    def write_sitting(self, sitting: Sitting) -> None:
        write_atomic(self.sitting_file, sitting.model_dump_json() + "\n")
