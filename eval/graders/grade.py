"""Grade one row by one criterion: a score, whether it passes, or why nothing can be said.

Runs in a thread of its own choice of the caller's: a grader may take a while. Does not know whose row it is, where its
answer came from, nor what becomes of the grade.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eval.graders.criteria import Criterion, StringCheck, TextSimilarity
from eval.graders.similarity import similarity
from eval.graders.template import Ungraded, fill
from nightschool.embedding import Embedder, load_embedder
from nightschool.errors import NightschoolError


@dataclass(frozen=True, slots=True)
class Grade:
    name: str
    type: str
    score: float
    passed: bool
    error: str = ""
    """Why there is no grade; empty where there is one."""


class Tools:
    """What graders need beside the row; loaded when the first one does."""

    @cached_property
    def embedder(self) -> Embedder:
        return load_embedder()


def grade(criterion: Criterion, values: Mapping[str, Any], tools: Tools) -> Grade:
    """`values` holds `item`, and `sample` where there is one."""
    try:
        score, passed = _score(criterion, values, tools)
    except Ungraded as why:
        return Grade(criterion.name, criterion.type, 0.0, False, str(why))
    except NightschoolError as error:
        return Grade(criterion.name, criterion.type, 0.0, False, str(error))
    return Grade(criterion.name, criterion.type, score, passed)


def _score(criterion: Criterion, values: Mapping[str, Any], tools: Tools) -> tuple[float, bool]:
    match criterion:
        case StringCheck():
            passed = _agrees(criterion, fill(criterion.input, values), fill(criterion.reference, values))
            return float(passed), passed
        case TextSimilarity():
            text, reference = fill(criterion.input, values), fill(criterion.reference, values)
            metric = criterion.evaluation_metric
            score = similarity(metric, text, reference=reference, embedder=lambda: tools.embedder)
            return score, score >= criterion.pass_threshold


def _agrees(check: StringCheck, text: str, reference: str) -> bool:
    match check.operation:
        case "eq":
            return text == reference
        case "ne":
            return text != reference
        case "like":
            return reference in text
        case "ilike":
            return reference.casefold() in text.casefold()
