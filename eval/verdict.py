"""The verdict as a file: what was decided, by which rules, about which models on which dataset.

`verdict.json` and the files beside it (scores, votes, what suites found) rebuild the decision bit for bit. Does not
decide anything itself.
Run: python -m eval.verdict SCORES  (decides again by the rules in verdict.json beside it; exit code 1: differs)
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from eval.answers import Contestant
from eval.exam import ExamFacts
from eval.gate import Verdict, decide
from eval.rules import GateRules
from eval.scores import read_scores
from eval.suite.results import read_suites
from eval.vote_scores import VOTES, read_votes
from nightschool.errors import InvalidInput, NightschoolError
from nightschool.files import write_atomic
from nightschool.records import Outcome, Sampling

VERDICT: Final = "verdict.json"
SCORES: Final = "scores.parquet"
DIFFERS: Final = 1


class Question(BaseModel):
    """What an evaluation was asked; equal questions have one answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset_hash: str
    contestants: tuple[Contestant, ...]
    sampling: Sampling
    rules: GateRules
    rotation: str = ""
    """Which draw of the part of the exam that changes from night to night."""


class VerdictFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[2] = 2
    question: Question
    facts: ExamFacts
    outcome: Outcome
    reasons: tuple[str, ...]
    figures: dict[str, float]
    skipped_rows: tuple[str, ...]
    """Ids of rows that exceed the engine's context; no contestant was judged by them."""

    def to_verdict(self) -> Verdict:
        return Verdict(self.outcome, self.reasons, MappingProxyType(self.figures))


def write_verdict(
    folder: Path, verdict: Verdict, *, question: Question, facts: ExamFacts, skipped_rows: Sequence[str]
) -> None:
    record = VerdictFile(
        question=question,
        facts=facts,
        outcome=verdict.outcome,
        reasons=verdict.reasons,
        figures=dict(verdict.figures),
        skipped_rows=tuple(skipped_rows),
    )
    write_atomic(folder / VERDICT, record.model_dump_json(indent=2) + "\n")


def read_verdict(folder: Path) -> VerdictFile:
    """Raises InvalidInput."""
    file = folder / VERDICT
    try:
        return VerdictFile.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise InvalidInput(
            f"is not a verdict ({error})", subject=str(file), remedy="Name a finished evaluation's folder."
        ) from error


def decide_again(scores: Path) -> Verdict:
    """The verdict by the rules beside `scores`. Raises InvalidInput, NotFound, EvaluationFailed."""
    table, stored = read_scores(scores), read_verdict(scores.parent)
    votes = read_votes(scores.with_name(VOTES))
    suites = read_suites(scores.parent).results
    return decide(table, stored.question.rules, facts=stored.facts, votes=votes, suites=suites)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the verdict as JSON. 0: the same as stored, 1: it differs; else the error's own exit code."""
    parser = argparse.ArgumentParser(prog="eval.verdict", description="Decide again from stored scores.")
    parser.add_argument("scores", type=Path, help="scores.parquet of an evaluation, its verdict.json beside it")
    scores = parser.parse_args(arguments).scores
    try:
        again, stored = decide_again(scores), read_verdict(scores.parent)
    except NightschoolError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    fresh = stored.model_copy(
        update={"outcome": again.outcome, "reasons": again.reasons, "figures": dict(again.figures)}
    )
    sys.stdout.write(fresh.model_dump_json(indent=2) + "\n")
    if fresh == stored:
        return 0
    sys.stderr.write(f"{scores}: the verdict differs from the stored one. Check numpy's version and the files.\n")
    return DIFFERS


if __name__ == "__main__":
    sys.exit(main())
