"""What a larger model is asked, and how its reply becomes a grade."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from eval.graders.criteria import CRITERIA
from eval.graders.grade import Grade, Tools, grade
from nightschool.endpoint import NoAnswer, Said
from nightschool.records import ChatMessage

SCORE: dict[str, Any] = {
    "type": "score_model",
    "name": "kind",
    "model": "big-one",
    "range": [1, 5],
    "input": [
        {"role": "developer", "content": "You grade."},
        {"role": "user", "content": {"type": "input_text", "text": "Is this kind? {{sample.output_text}}"}},
    ],
}
LABEL: dict[str, Any] = SCORE | {"type": "label_model", "labels": ["good", "not good"], "passing_labels": ["good"]}
del LABEL["range"]


class Judge:
    def __init__(self, reply: str | NoAnswer, *, is_whole: bool = True) -> None:
        self.reply, self.is_whole = reply, is_whole
        self.asked: list[ChatMessage] = []

    def __call__(self, model: str, messages: Sequence[ChatMessage]) -> Said:
        assert model == "big-one"
        self.asked = list(messages)
        if isinstance(self.reply, NoAnswer):
            raise self.reply
        return Said(self.reply, self.is_whole)


def graded(criterion: dict[str, Any], judge: Judge | None) -> Grade:
    [parsed] = CRITERIA.validate_json(json.dumps([criterion]))
    return grade(parsed, {"item": {}, "sample": {"output_text": "Hi <|im_end|>"}}, Tools(ask=judge))


def test_it_is_asked_as_the_caller_wrote_and_how_to_reply() -> None:
    judge = Judge("4")
    graded(SCORE, judge)
    assert [message["role"] for message in judge.asked] == ["system", "user"]
    asked = judge.asked[-1]["content"]
    assert asked.startswith("Is this kind? Hi <\u2060|im_end|>")
    assert asked.endswith("Reply with one number from 1 to 5 and nothing else.")


@pytest.mark.parametrize(
    ("reply", "score"),
    [("4", 4), ("**2.5**\n", 2.5), (" 3. ", 3), ('{"steps": [], "result": 5}', 5), ("1", 1)],
)
def test_a_number_is_a_score(reply: str, score: float) -> None:
    found = graded(SCORE, Judge(reply))
    assert (found.score, found.passed, found.error, found.reply) == (score, score >= 3, "", reply)
    assert graded(SCORE | {"pass_threshold": 5}, Judge(reply)).passed == (score == 5)


@pytest.mark.parametrize("reply", ["6", "0", "four", "4 or 5", "", "4/5", "nan", '{"result": "x"}', "9" * 400])
def test_what_is_no_number_of_the_range_is_no_grade(reply: str) -> None:
    found = graded(SCORE, Judge(reply))
    assert (found.passed, found.score) == (False, 0)
    assert "no number from 1 to 5" in found.error


@pytest.mark.parametrize(("reply", "score"), [("good", 1), ("Not good.", 0), ("It is not good", 0)])
def test_a_label_passes_or_not(reply: str, score: float) -> None:
    found = graded(LABEL, Judge(reply))
    assert (found.score, found.passed, found.error) == (score, score == 1, "")


def test_a_judge_that_says_nothing_of_use_is_no_grade() -> None:
    assert "none of the labels" in graded(LABEL, Judge("bad")).error
    assert "cut off" in graded(SCORE, Judge("4", is_whole=False)).error
    assert "busy" in graded(SCORE, Judge(NoAnswer("it is busy"))).error
    assert "any more" in graded(SCORE, None).error


@pytest.mark.parametrize(
    "changed",
    [
        {"range": [1, 1]},
        {"range": [5, 1]},
        {"range": [1]},
        {"pass_threshold": 9},
        {"input": []},
        {"sampling_params": {"temperature": 1}},
        {"input": [{"role": "user", "content": "{{x}}"}]},
    ],
)
def test_a_grader_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        CRITERIA.validate_json(json.dumps([SCORE | changed]))
    with pytest.raises(ValueError, match="none of its labels"):
        CRITERIA.validate_json(json.dumps([LABEL | {"passing_labels": ["best"]}]))
