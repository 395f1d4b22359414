"""Build one dataset: all it knows is an order file, as a night leaves one for it.

In: an order (which snapshot, where to, by which rules). Out: the dataset below its target (`tune.dataset`) and, last,
the summary beside the order, or why what was ordered cannot be built. A process of its own, since the work of a large
record would hold the interpreter of whoever called it for minutes. Killed at any moment it is done again and ends with
the same bytes.
Run: python -m tune.build ORDER_FILE. Exit code 0 done, 2 bad input, 1 anything else; one clear line on stderr.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput
from nightschool.files import write_atomic
from tune.bounds import Bounds
from tune.dataset import DatasetSummary, build_dataset
from tune.grounding import Grounding
from tune.masking import Privacy


class BuildOrder(BaseModel):
    """What `tune.dataset.build_dataset` is given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    snapshot: Path
    target: Path
    """Folder below which the dataset's is made."""
    system_prompt: str
    held_out_share: float
    half_life_days: float
    topic_ratio: float
    suites: tuple[Path, ...]
    seed: int
    bounds: Bounds
    known_items: frozenset[str]
    trained_before: frozenset[str]
    questions: int
    privacy: Privacy | None = None
    grounding: Grounding | None = None

    def build(self) -> DatasetSummary:
        given = {name: getattr(self, name) for name in type(self).model_fields if name != "schema_version"}
        return build_dataset(**given)


class Refusal(BaseModel):
    """An InvalidInput of the child, for whoever ordered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    problem: str
    subject: str
    remedy: str


class Told(BaseModel):
    """What came of an order: one of the two."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: DatasetSummary | None = None
    refusal: Refusal | None = None


def write_order(order_file: Path, order: BuildOrder) -> None:
    """In place of what stood there; what was told of another order goes."""
    _told_of(order_file).unlink(missing_ok=True)
    write_atomic(order_file, order.model_dump_json() + "\n")


def take_summary(order_file: Path) -> DatasetSummary | None:
    """None where the builder told nothing. The order is gone then, since it names all that was ever learnt from.

    Raises the InvalidInput for which nothing could be built.
    """
    file = _told_of(order_file)
    told = Told.model_validate_json(file.read_bytes()) if file.exists() else Told()
    order_file.unlink()
    file.unlink(missing_ok=True)
    if why := told.refusal:
        raise InvalidInput(why.problem, subject=why.subject, remedy=why.remedy)
    return told.summary


def _told_of(order_file: Path) -> Path:
    return order_file.with_name(f"{order_file.stem}-told.json")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.build", description="Build one dataset.")
    parser.add_argument("order", type=Path, help="file that says what is built")
    options = parser.parse_args(arguments)
    try:
        told = Told(summary=_read_order(options.order).build())
    except InvalidInput as error:
        told = Told(refusal=Refusal(problem=error.problem, subject=error.subject, remedy=error.remedy))
        sys.stderr.write(f"{error}\n")
    write_atomic(_told_of(options.order), told.model_dump_json() + "\n")
    return InvalidInput.exit_code if told.refusal else 0


def _read_order(file: Path) -> BuildOrder:
    try:
        return BuildOrder.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise InvalidInput(f"is no order ({error})", subject=str(file), remedy="Give one that a night left.") from error


if __name__ == "__main__":
    sys.exit(main())
