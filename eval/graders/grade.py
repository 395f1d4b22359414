"""Grade one row by one criterion: a score, whether it passes, or why nothing can be said.

Runs in a thread of its own choice of the caller's: a grader may take a while. Does not know whose row it is, where its
answer came from, nor what becomes of the grade.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eval.graders.criteria import Criterion, LabelModel, Multi, PythonGrader, ScoreModel, StringCheck, TextSimilarity
from eval.graders.formula import calculate
from eval.graders.judged import Ask, Judged, label_by_model, score_by_model
from eval.graders.sandbox import run_python
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
    reply: str = ""
    """Of the model that gave it."""


@dataclass(frozen=True)
class Tools:
    """What graders need beside the row; vectors are loaded when the first one needs them."""

    ask: Ask | None = None
    """A larger model; None where none is configured."""
    runs_python: bool = False
    """Whether strangers' code is run at all."""

    @cached_property
    def embedder(self) -> Embedder:
        return load_embedder()


def grade(criterion: Criterion, values: Mapping[str, Any], tools: Tools) -> Grade:
    """`values` holds `item`, and `sample` where there is one."""
    try:
        found = _judge(criterion, values, tools)
    except (Ungraded, NightschoolError) as why:
        return Grade(criterion.name, criterion.type, 0.0, False, str(why))
    return Grade(criterion.name, criterion.type, found.score, found.passed, reply=found.reply)


def _judge(criterion: Criterion, values: Mapping[str, Any], tools: Tools) -> Judged:
    match criterion:
        case ScoreModel() | LabelModel():
            if tools.ask is None:
                raise Ungraded("no model grades here any more")
            if isinstance(criterion, ScoreModel):
                return score_by_model(criterion, values, tools.ask)
            return label_by_model(criterion, values, tools.ask)
        case PythonGrader():
            if not tools.runs_python:
                raise Ungraded("Python is not run here any more")
            score = run_python(criterion.source, values)
            return Judged(score, score >= criterion.threshold)
        case StringCheck():
            passed = _agrees(criterion, fill(criterion.input, values), fill(criterion.reference, values))
            return Judged(float(passed), passed)
        case TextSimilarity():
            text, reference = fill(criterion.input, values), fill(criterion.reference, values)
            metric = criterion.evaluation_metric
            score = similarity(metric, text, reference=reference, embedder=lambda: tools.embedder)
            return Judged(score, score >= criterion.pass_threshold)
        case Multi():
            return _combine(criterion, values, tools)


def _combine(multi: Multi, values: Mapping[str, Any], tools: Tools) -> Judged:
    """Raises Ungraded where one of its graders says nothing, or the formula has no value."""
    scores = {}
    for name, part in multi.graders.items():
        found = grade(part, values, tools)
        if found.error:
            raise Ungraded(f"{name}: {found.error}")
        scores[name] = found.score
    score = calculate(multi.calculate_output, scores)
    if not math.isfinite(score):
        told = ", ".join(f"{name} = {value:g}" for name, value in scores.items())
        raise Ungraded(f"calculate_output has no finite value where {told}")
    return Judged(score, score >= multi.threshold)


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
