"""Have a larger model grade a text: by a number in a range, or by one of a few labels.

What it is asked is the caller's, with one sentence behind it that says how to reply. A reply that is neither a number
nor a label is no grade. Does not know which model that is, nor where.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from eval.graders.criteria import LabelModel, ScoreModel
from eval.graders.template import Ungraded, fill
from eval.metrics.task import read_label
from nightschool.endpoint import NoAnswer, Said
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage

Ask = Callable[[str, Sequence[ChatMessage]], Said]
"""A model by its name. Raises NoAnswer."""
_NUMBER: Final = re.compile(r"[\s*_`]*([-+]?\d{1,12}(?:\.\d{1,12})?)[\s*_`.]*", re.ASCII)
_DEVELOPER: Final = "developer"


class Judged(NamedTuple):
    score: float
    passed: bool
    reply: str = ""


class _Result(BaseModel):
    """As models of OpenAI's reply."""

    result: float


def score_by_model(criterion: ScoreModel, values: Mapping[str, Any], ask: Ask) -> Judged:
    """Raises Ungraded."""
    low, high = criterion.range
    wanted = f"Reply with one number from {low:g} to {high:g} and nothing else."
    reply = _reply(criterion, values, ask, wanted=wanted)
    score = _read_number(reply)
    if score is None or not low <= score <= high:
        raise Ungraded(f"the judge replied what is no number from {low:g} to {high:g}: {reply[:80]!r}")
    return Judged(score, score >= criterion.threshold, reply)


def label_by_model(criterion: LabelModel, values: Mapping[str, Any], ask: Ask) -> Judged:
    """Score 1 for a label that passes, 0 for another. Raises Ungraded."""
    wanted = f"Reply with one of these labels and nothing else: {', '.join(criterion.labels)}."
    reply = _reply(criterion, values, ask, wanted=wanted)
    label = read_label(reply, criterion.labels)
    if label is None:
        raise Ungraded(f"the judge replied what is none of the labels: {reply[:80]!r}")
    passed = label in criterion.passing_labels
    return Judged(float(passed), passed, reply)


def _reply(criterion: ScoreModel | LabelModel, values: Mapping[str, Any], ask: Ask, *, wanted: str) -> str:
    messages = [
        ChatMessage(role="system" if one.role == _DEVELOPER else one.role, content=fill(one.text, values))
        for one in criterion.input
    ]
    messages[-1] = ChatMessage(role=messages[-1]["role"], content=f"{messages[-1]['content']}\n\n{wanted}")
    try:
        said = ask(criterion.model, Neutraliser().chat(messages))
    except NoAnswer as error:
        raise Ungraded(f"the judge gave no answer: {error}") from error
    if not said.is_whole:
        raise Ungraded("the judge's reply was cut off")
    return said.text


def _read_number(reply: str) -> float | None:
    if found := _NUMBER.fullmatch(reply):
        return float(found[1])
    try:
        return _Result.model_validate_json(reply).result
    except ValidationError:
        return None
