"""Which rows a run leaves out since they are known already: `skipped.json` in its folder, written once.

Imports no torch. Does not know how they were found (`tune.methods.skip`).
"""

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic

SKIPPED: Final = "skipped.json"


class Skipped(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    loss: float
    """Mean loss a token below which a row is known."""
    rows: int
    """That were looked at."""
    item_ids: tuple[str, ...]
    """Of those that are left out."""

    def describe(self) -> str:
        """In a sentence."""
        return f"{len(self.item_ids)} of {self.rows} are left out, with a loss below recipe.skip_loss = {self.loss:g}"


def write_skipped(run: Path, skipped: Skipped) -> None:
    write_atomic(run / SKIPPED, skipped.model_dump_json(indent=1) + "\n")


def read_skipped(run: Path) -> Skipped | None:
    """None where the run has not looked."""
    file = run / SKIPPED
    return Skipped.model_validate_json(file.read_bytes()) if file.exists() else None
