"""What a bot could do before must not be lost, whatever else the candidate gained."""

from dataclasses import replace

import numpy as np
import pytest

from eval.answers import Label
from eval.gate import decide
from eval.guardrails import has_only_forgotten, suite_checks, suite_figures, suite_gains
from eval.rules import GateRules
from eval.scores import ScoreRow
from eval.suite.case import CaseResult, Status, SuiteResult
from nightschool.records import Outcome

RULES = GateRules(draws=1_000)


def result(label: Label, passes: str, *, name: str = "retention") -> SuiteResult:
    """`passes`: a letter for each case; p(assed), f(ailed), v(oid), m(easured)."""
    status: dict[str, Status] = {"p": "passed", "f": "failed", "v": "void", "m": "measured"}
    return SuiteResult(name, label, tuple(CaseResult(f"c{n}", status[one], "?", "!") for n, one in enumerate(passes)))


def better_rows(gain: float = 0.3) -> list[ScoreRow]:
    """The candidate gains as much on every row."""
    means: dict[Label, float] = {"base": 0.1, "production": 0.2, "candidate": 0.2 + gain}
    return [
        ScoreRow(
            contestant=label, row_id=f"r{n:02}", conversation_id=f"c{n:02}", token_f1=f1 + n % 5 / 50,
            rouge_l=f1, repetition=0.0, logprob_sum=-20.0, reference_tokens=10, answer_words=10, reference_words=10,
            is_empty=False,
        )
        for label, f1 in means.items()
        for n in range(60)
    ]  # fmt: skip


def test_a_better_candidate_that_forgot_a_suite_is_stopped_and_told_which() -> None:
    kept = [result("base", "p" * 35 + "f" * 25), result("production", "p" * 33 + "f" * 27)]
    assert decide(better_rows(), RULES, suites=[*kept, result("candidate", "p" * 32 + "f" * 28)]).outcome == "promote"
    verdict = decide(better_rows(), RULES, suites=[*kept, result("candidate", "p" * 15 + "f" * 45)])
    assert verdict.outcome == Outcome.REJECT
    failed = [reason for reason in verdict.reasons if reason.startswith("failed")]
    assert failed[0] == (
        "failed: of 60 cases of the suite retention the candidate passes 15 where the base model passes 35, worse on "
        "20 and better on 0: shown to have lost more than 0.1 of what the suite asks (mid-p McNemar; 0.05 for all "
        "2 comparisons together)."
    )
    assert "where production passes 33" in failed[1]
    assert (verdict.figures["failed_checks"], verdict.figures["failed_suites"]) == (2, 2)
    assert verdict.figures["candidate_retention_passed"] == 0.25


@pytest.mark.parametrize(
    ("gain", "passes", "expected"),
    [(0.3, "p" * 15 + "f" * 45, True), (0.3, "p" * 32 + "f" * 28, False), (0.0, "p" * 15 + "f" * 45, False)],
)
def test_less_of_an_adapter_is_tried_only_where_it_gained_and_fails_by_suites_alone(
    gain: float, passes: str, *, expected: bool
) -> None:
    suites = [result("production", "p" * 33 + "f" * 27), result("candidate", passes)]
    assert has_only_forgotten(decide(better_rows(gain), RULES, suites=suites).figures) is expected


def test_the_lowest_suite_is_named_where_none_has_fallen() -> None:
    suites = [result("base", "ppppf" * 8), result("candidate", "ppppf" * 7 + "pppff")]
    [check] = suite_checks(suites, RULES)
    assert check.has_passed
    assert "candidate passes 31 where the base model passes 32" in check.sentence
    assert "leaves no fall greater than 0.10" in check.sentence


def test_only_cases_that_were_judged_for_both_are_compared() -> None:
    [gain] = suite_gains([result("base", "ppfvm"), result("candidate", "pvfpm")], RULES)
    assert (gain.cases, gain.passed, gain.better, gain.worse, gain.mean) == (2, 1, 0, 0, 0)
    assert not suite_gains([result("base", "vm"), result("candidate", "pp")], RULES)


def test_a_suite_of_the_candidate_alone_is_no_guardrail() -> None:
    assert not list(suite_checks([result("candidate", "pf")], RULES))
    assert not list(suite_checks([result("base", "pf"), result("production", "pf")], RULES))
    assert suite_figures([result("candidate", "pf"), result("base", "vv")]) == {"candidate_retention_passed": 0.5}


def test_what_a_contestant_finds_of_general_text_is_a_figure_and_no_guardrail() -> None:
    perplexities: dict[Label, float] = {"base": 8.0, "candidate": 90.0}
    scored = [
        replace(result(label, "m", name="general"), figures={"perplexity": perplexity, "words": 3.0})
        for label, perplexity in perplexities.items()
    ]
    assert suite_figures(scored) == {"base_general_perplexity": 8.0, "candidate_general_perplexity": 90.0}
    assert not list(suite_checks(scored, RULES))


def test_every_opponent_and_every_suite_guards() -> None:
    fine = [result(label, "p" * 60) for label in ("base", "production", "candidate")]
    lost = [result("anchor", "p" * 60, name="golden"), result("candidate", "p" * 30 + "f" * 30, name="golden")]
    gains = suite_gains([*fine, *lost], RULES)
    assert [(gain.suite, gain.opponent) for gain in gains if gain.has_fallen] == [
        ("golden", "the last version that a person promoted")
    ]


def test_a_fall_within_the_margin_is_borne_however_surely_it_is_one() -> None:
    suites = [result("base", "p" * 400), result("candidate", "p" * 370 + "f" * 30)]
    assert not suite_gains(suites, RULES)[0].has_fallen
    assert suite_gains(suites, GateRules(suite_margin=0.05))[0].has_fallen


@pytest.mark.parametrize("unlike", [0.1, 0.3, 0.5])
def test_equal_contestants_raise_a_false_alarm_in_fewer_nights_than_it_says(unlike: float) -> None:
    rng = np.random.default_rng(5)

    def alarm() -> bool:
        labels: tuple[Label, ...] = ("base", "production", "candidate")
        found = [
            result(label, "".join("pf"[int(flip)] for flip in rng.random(60) < unlike / 2), name=suite)
            for suite in ("retention", "golden", "behaviour")
            for label in labels
        ]
        return any(gain.has_fallen for gain in suite_gains(found, RULES))

    assert sum(alarm() for _ in range(400)) / 400 <= RULES.suite_alpha
