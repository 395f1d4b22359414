"""What a night is made of: its steps, its folder and what each step left there.

A step's result is a file, written last, so a night that was cut off finds what is done and goes on behind it.
"""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.guardrails import has_only_forgotten
from eval.verdict import read_verdict
from nightschool.bots import Bot
from nightschool.errors import InvalidInput
from nightschool.files import read_manifest, write_atomic
from nightschool.records import Outcome
from nightschool.run_files import scaled_run
from tune.dataset import DatasetSummary

SCALES: Final = (1.0, 0.75, 0.5)
"""How much of what a night learnt it has examined: all of it first, then less where it is better and has forgotten."""


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

    schema_version: Literal[1] = 1
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

    schema_version: Literal[1] = 1
    moves: int
    """How often its production had changed by then."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate of a night, and its exam."""

    root: Path
    """The night's."""
    scale: float

    @property
    def run(self) -> Path:
        """Where its adapter and the proof of it lie."""
        return self.root / "run" if self.scale == 1 else scaled_run(self.root / "run", self.scale)

    @property
    def evaluation(self) -> Path:
        return self.root / f"evaluation{self._ending}"

    @property
    def sitting_file(self) -> Path:
        return self.root / f"sitting{self._ending}.json"

    def read_sitting(self) -> Sitting:
        return Sitting.model_validate_json(self.sitting_file.read_bytes())

    def write_sitting(self, sitting: Sitting) -> None:
        write_atomic(self.sitting_file, sitting.model_dump_json() + "\n")

    def is_examined(self) -> bool:
        return read_manifest(self.evaluation) is not None

    def has_only_forgotten(self) -> bool:
        """No where it was not examined, or by an older Nightschool whose verdict nobody can read any more."""
        with suppress(InvalidInput):
            return self.is_examined() and has_only_forgotten(read_verdict(self.evaluation).figures)
        return False

    def evaluation_id(self, cycle_id: str) -> str:
        return f"{cycle_id}{self._ending}"

    @property
    def _ending(self) -> str:
        return "" if self.scale == 1 else f"-{self.scale:g}"


@dataclass(frozen=True, slots=True)
class NightFolder:
    root: Path

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Those that were made, the last of which the night is at."""
        made = []
        for scale in SCALES:
            made.append(Attempt(self.root, scale))
            if not made[-1].has_only_forgotten():
                break
        return tuple(made)

    @property
    def terms_file(self) -> Path:
        return self.root / "night.json"

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
    def exam(self) -> Attempt:
        """The last attempt whose exam is over, or else the first."""
        attempts = self.attempts
        return next((attempt for attempt in reversed(attempts) if attempt.is_examined()), attempts[0])

    @property
    def evaluation(self) -> Path:
        return self.exam.evaluation

    def read_dataset(self) -> DatasetSummary | None:
        """None where there is none, or one of another Nightschool."""
        try:
            return DatasetSummary.model_validate_json(self.dataset_file.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None

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
