"""Rows that a machine made, as a run keeps them: questions of the record with an answer that was checked.

In `made/` of the run folder, a file for each method that makes some, written once: what it holds is what is learnt,
however often the run is started again. They stand in no dataset, so no exam asks them. Imports no torch. Does not know
how an answer is made.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic
from nightschool.methods import Method
from nightschool.records import ChatMessage
from tune.decontaminate import Turn, find_leaks
from tune.pace import read_deadline
from tune.rows import Named
from tune.select import Lesson, Lineage

FOLDER: Final = "made"
HOLDS_EXAM: Final = "holds what the exam asks"
TIME_SHARE: Final = 0.25
"""Of the time that is left until the run is to be done, for the answers of one method."""


class MadeRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    item_id: str
    """Of the question."""
    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    source: str
    """Who answered: a version by its content, the base model, or a larger model by its name."""
    score: float | None = None
    """The reward model's."""


class Made(BaseModel):
    """What came of one method."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    asked: int
    """Questions."""
    answers: int
    """To them."""
    refused: Mapping[str, int]
    """Answers by what was wrong with them."""
    rows: tuple[MadeRow, ...]
    remarks: tuple[str, ...] = ()

    def describe(self) -> str:
        """In a sentence."""
        faults = ", ".join(f"{count} {fault}" for fault, count in sorted(self.refused.items()) if count)
        told = f"{len(self.rows)} of {self.asked} questions have an answer to learn, from {self.answers} answers"
        return "; ".join([told + (f" (refused: {faults})" if faults else ""), *self.remarks])


def without_exam(made: Made, exam: Iterable[Turn]) -> Made:
    """Less the rows that hold what an exam asks: whoever answers may say what people wrote for it."""
    rows = [_as_lesson(row) for row in made.rows]
    leaks = find_leaks(rows, exam) if rows else frozenset()
    if not leaks:
        return made
    kept = tuple(row for row in made.rows if row.item_id not in leaks)
    return made.model_copy(update={"rows": kept, "refused": {**made.refused, HOLDS_EXAM: len(leaks)}})


def _as_lesson(row: MadeRow) -> Named:
    answer = ChatMessage(role="assistant", content=row.answer)
    lineage = Lineage((), (), (), is_let_in=False)
    return Named(row.item_id, Lesson(row.conversation_id, (*row.prompt, answer), lineage))


def write_made(run: Path, method: Method, made: Made) -> None:
    write_atomic(_file(run, method), made.model_dump_json(indent=2) + "\n")


def read_made(run: Path, method: Method) -> Made | None:
    """None where the method has not ended."""
    file = _file(run, method)
    return Made.model_validate_json(file.read_bytes()) if file.exists() else None


def time_for(run: Path, *, now_s: float) -> float:
    """Until when answers may be made, in seconds since 1970."""
    deadline_s = read_deadline(run)
    return math.inf if deadline_s is None else now_s + TIME_SHARE * max(0.0, deadline_s - now_s)


def _file(run: Path, method: Method) -> Path:
    return run / FOLDER / f"{method}.json"
