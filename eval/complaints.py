"""What suites found, as far as a page shows it: how many cases each contestant passed, and which complaints are fixed.

Reads `suites.json` by its shape and takes from it what it needs; of a folder without one there is nothing to show.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.answers import Label

SUITES: Final = "suites.json"
REGRESSION: Final = "regression"
"""The suite of complaints that somebody corrected."""


class SuiteLine(BaseModel):
    """One suite, and how many of its cases each contestant passed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    of: dict[Label, tuple[int, int]]
    """Passed, judged."""
    perplexity: dict[Label, float] = {}
    """Of the suite's references, where it scores them."""

    def tell(self, label: Label) -> str:
        """`12 of 40`; of what no check judges `perplexity 8.31` or `measured`; empty where it was not asked."""
        if label not in self.of:
            return ""
        passed, judged = self.of[label]
        if judged:
            return f"{passed} of {judged}"
        return f"perplexity {self.perplexity[label]:.2f}" if label in self.perplexity else "measured"


class Complaint(BaseModel):
    """A complaint with its correction, asked again; None where an answer could not be judged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str
    answer: str
    """The candidate's."""
    was_right: bool | None
    """Production's answer, or the base model's where nothing is live."""
    is_right: bool | None
    """The candidate's."""
    why: tuple[str, ...]
    """What its answer lacks."""


class Asked(NamedTuple):
    suites: tuple[SuiteLine, ...] = ()
    complaints: tuple[Complaint, ...] = ()
    problems: tuple[str, ...] = ()
    """Suites that could not be read, in a sentence each."""


class _Case(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: str
    status: Literal["passed", "failed", "void", "measured"]
    question: str
    text: str
    failed_checks: tuple[str, ...] = ()


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    contestant: Label
    cases: tuple[_Case, ...]
    figures: dict[str, float] = {}


class _Results(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    results: tuple[_Result, ...] = ()
    problems: tuple[str, ...] = ()


def read_suites_asked(folder: Path, *, rival: Label) -> Asked:
    """Nothing where the evaluation asked no suite, or the file is not whole."""
    try:
        stored = _Results.model_validate_json((folder / SUITES).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Asked()
    found = stored.results
    names = dict.fromkeys(result.name for result in found)
    lines = tuple(_line(name, [result for result in found if result.name == name]) for name in names)
    regression = {result.contestant: result for result in found if result.name == REGRESSION}
    return Asked(lines, tuple(_complaints(regression, rival)), stored.problems)


def _line(name: str, results: Sequence[_Result]) -> SuiteLine:
    perplexity = {r.contestant: r.figures["perplexity"] for r in results if "perplexity" in r.figures}
    return SuiteLine(name=name, of={r.contestant: _count(r) for r in results}, perplexity=perplexity)


def _count(result: _Result) -> tuple[int, int]:
    judged = [case.status == "passed" for case in result.cases if case.status in {"passed", "failed"}]
    return sum(judged), len(judged)


def _complaints(results: Mapping[Label, _Result], rival: Label) -> Iterator[Complaint]:
    """Open ones first."""
    if "candidate" not in results:
        return
    before = {case.case_id: case for case in results[rival].cases} if rival in results else {}
    cases = sorted(results["candidate"].cases, key=lambda case: case.status == "passed")
    for case in cases:
        yield Complaint(
            question=case.question,
            answer=case.text,
            was_right=_is_right(before.get(case.case_id)),
            is_right=_is_right(case),
            why=case.failed_checks,
        )


def _is_right(case: _Case | None) -> bool | None:
    return None if case is None or case.status not in {"passed", "failed"} else case.status == "passed"
