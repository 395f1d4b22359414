"""Tonight's exam: the rows that are asked, and what else a verdict must say about them.

In: a finished dataset and which conversations production was trained on. Does not know who is asked.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from eval.core import keep_core
from eval.suites import HELD_OUT, SuiteRow, choose_rows, read_held_out
from nightschool.tables import read_rows

TRAIN: Final = "sft_train.parquet"


@dataclass(frozen=True, slots=True)
class ExamFacts:
    """What scores cannot tell; stands in verdict.json, so that a decision can be rebuilt."""

    production_overlap: int = 0
    """Conversations of the exam that production was trained on, or a near-duplicate of which it was."""
    liked_rows: int = 0
    """Held-out answers that were only liked. They are no references: production wrote them."""


class Exam(NamedTuple):
    rows: tuple[SuiteRow, ...]
    facts: ExamFacts


def read_exam(
    dataset: Path,
    *,
    max_rows: int,
    rotation: str,
    production_trained: frozenset[str],
    core: Path | None = None,
    least_core: int = 1,
) -> Exam:
    """`production_trained` names the conversations of production's own dataset. `core` is the file in which the rows
    that never change are frozen, from the first exam on that has `least_core` witnesses. Raises InvalidInput."""
    held_out = read_held_out(dataset)
    frozen = keep_core(core, held_out.rows, max_rows=max_rows, least=least_core) if core else None
    rows = choose_rows(held_out.rows, max_rows=max_rows, rotation=rotation, core=frozen)
    asked = {row.conversation_id for row in rows}
    known = production_trained | _near_duplicates(dataset, production_trained)
    return Exam(rows, ExamFacts(len(asked & known), held_out.liked_rows))


class _GroupedRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    conversation_id: str
    group: str


def _near_duplicates(dataset: Path, conversations: frozenset[str]) -> frozenset[str]:
    """Every conversation of a group that holds one of `conversations`."""
    if not conversations:
        return frozenset()
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name in (TRAIN, HELD_OUT):
        for row in read_rows(dataset / name, _GroupedRow, row="a row of a dataset"):
            groups[row.group].add(row.conversation_id)
    return frozenset().union(*(group for group in groups.values() if group & conversations))
