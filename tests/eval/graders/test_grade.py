"""Each grader on texts whose grade is known."""

import json
import math
from typing import Any

import pytest

from eval.graders.criteria import CRITERIA
from eval.graders.grade import Grade, Tools, grade
from eval.graders.similarity import MAX_CHARS, fuzzy_match

TOOLS = Tools()


def graded(criterion: dict[str, Any], **values: Any) -> Grade:
    [parsed] = CRITERIA.validate_json(json.dumps([{"name": "one"} | criterion]))
    return grade(parsed, values, TOOLS)


@pytest.mark.parametrize(
    ("operation", "text", "reference", "passes"),
    [
        ("eq", "Yes", "Yes", True),
        ("eq", "Yes", "yes", False),
        ("ne", "Yes", "No", True),
        ("ne", "Yes", "Yes", False),
        ("like", "Yes, it is.", "it is", True),
        ("like", "Yes, It Is.", "it is", False),
        ("like", "Yes", "%e%", False),
        ("ilike", "Yes, It Is.", "it IS", True),
        ("ilike", "STRASSE", "straße", True),
        ("eq", "", "", True),
    ],
)
def test_string_check(operation: str, text: str, reference: str, passes: bool) -> None:
    found = graded(
        {"type": "string_check", "operation": operation, "input": "{{item.t}}", "reference": "{{item.r}}"},
        item={"t": text, "r": reference},
    )
    assert (found.score, found.passed, found.error) == (float(passes), passes, "")


def similar(metric: str, text: str, reference: str, threshold: float = 0.5) -> Grade:
    return graded(
        {
            "type": "text_similarity",
            "evaluation_metric": metric,
            "input": "{{sample.output_text}}",
            "reference": "{{item.r}}",
            "pass_threshold": threshold,
        },
        item={"r": reference},
        sample={"output_text": text},
    )


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        # "the cat sat on the mat" against "the cat lay on the mat": 5 of 6 words, 3 of 5 pairs, 1 of 4 triples.
        ("rouge_1", 5 / 6),
        ("rouge_2", 3 / 5),
        ("rouge_3", 1 / 4),
        ("rouge_4", 0.0),
        ("rouge_5", 0.0),
        ("rouge_l", 5 / 6),
        # 5 + 3 + 1 + 0 of 6 + 5 + 4 + 3 n-grams.
        ("gleu", 9 / 18),
        # Of 22 characters all but two are there in order: of "sat" and "lay" only the "a".
        ("fuzzy_match", 40 / 44),
    ],
)
def test_text_similarity(metric: str, score: float) -> None:
    found = similar(metric, "the cat sat on the mat", "the cat lay on the mat", threshold=score)
    assert math.isclose(found.score, score, abs_tol=1e-9)
    assert found.passed


@pytest.mark.parametrize("metric", ["bleu", "gleu", "fuzzy_match", "rouge_1", "rouge_l", "cosine"])
def test_alike_texts_are_alike_and_others_are_not(metric: str) -> None:
    assert math.isclose(
        similar(metric, "Der Beutel ist 30 cm lang.", "Der Beutel ist 30 cm lang.").score, 1, rel_tol=1e-6
    )
    assert similar(metric, "Der Beutel ist 30 cm lang.", "qqq www").score < 0.5
    assert not similar(metric, "", "qqq www").passed


def test_a_long_text_is_no_work_without_end() -> None:
    assert "at most" in similar("rouge_l", "a " * MAX_CHARS, "a").error


def next_row(row: list[int], letter: str, other: str) -> list[int]:
    """The next row of the table of longest common subsequences, as the textbook has it."""
    fresh = [0]
    for place, b in enumerate(other, 1):
        fresh.append(row[place - 1] + 1 if letter == b else max(row[place], fresh[-1]))
    return fresh


def test_fuzzy_match_is_the_longest_common_subsequence() -> None:
    def slow(one: str, other: str) -> int:
        row = [0] * (len(other) + 1)
        for a in one:
            row = next_row(row, a, other)
        return row[-1]

    for one, other in [("abcbdab", "bdcaba"), ("", "x"), ("aaaa", "aa"), ("kitten", "sitting"), ("ab" * 70, "ba" * 50)]:
        assert fuzzy_match(one, other) == pytest.approx(2 * slow(one, other) / (len(one) + len(other)))
    assert fuzzy_match("", "") == 1


def test_what_is_not_there_is_an_error_and_no_grade() -> None:
    found = graded(
        {"type": "string_check", "operation": "ne", "input": "{{sample.output_text}}", "reference": "x"}, item={}
    )
    assert (found.passed, found.score, found.error) == (False, 0, "sample.output_text is not there")


SAME = {"type": "string_check", "name": "n", "operation": "eq", "input": "{{item.t}}", "reference": "yes"}
CLOSE = {
    "type": "text_similarity", "name": "n", "evaluation_metric": "fuzzy_match", "pass_threshold": 1.0,
    "input": "{{item.t}}", "reference": "{{item.r}}",
}  # fmt: skip


def combined(formula: str, *, item: dict[str, Any], **more: Any) -> Grade:
    parts = {"same": SAME, "close": CLOSE}
    return graded({"type": "multi", "graders": parts, "calculate_output": formula} | more, item=item)


def test_several_scores_become_one() -> None:
    found = combined("0.75 * same + 0.25 * close", item={"t": "yes", "r": "no!"})
    assert (found.type, found.score, found.passed, found.error) == ("multi", 0.75, True, "")
    assert not combined("0.75 * same + 0.25 * close", item={"t": "yes", "r": "no!"}, pass_threshold=0.8).passed
    assert combined("min(same, close)", item={"t": "yes", "r": "yes"}).score == 1


def test_without_one_of_them_there_is_no_grade() -> None:
    assert combined("same", item={"t": "yes"}).error == "close: item.r is not there"
    divided = combined("1 / (same - close)", item={"t": "yes", "r": "yes"})
    assert divided.error == "calculate_output has no finite value where same = 1, close = 1"
