"""Decide whether tonight's candidate may meet users.

In: paired scores and the bot's gate rules. Out: a Verdict with reasons a person can read.
Does not know: how answers were made, where scores are kept, what a promotion does.
Method: paired comparisons resampled by who spoke; every check must pass; see docs/gate.md.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from eval import checks, slices
from eval.case import Case, build_case
from eval.checks import Check
from eval.exam import ExamFacts
from eval.guardrails import suite_checks, suite_figures
from eval.rules import GateRules
from eval.scores import ScoreRow, pair_columns
from eval.suite.case import SuiteResult
from eval.vetoes.bounds import vetoes
from eval.vote_scores import LEAST_ASKED, LEAST_KIND, VoteScore, pair_votes
from nightschool.records import Figures, Outcome

_NOTHING: Final = ExamFacts()


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Outcome
    reasons: tuple[str, ...]
    """One sentence for each check, beginning with `passed: ` or `failed: `."""
    figures: Figures
    """Finite numbers only; a figure that could not be computed is left out and named in the reasons."""


def decide(
    scores: Iterable[ScoreRow],
    rules: GateRules,
    *,
    facts: ExamFacts = _NOTHING,
    votes: Iterable[VoteScore] = (),
    suites: Sequence[SuiteResult] = (),
) -> Verdict:
    """The verdict on the rows labelled `candidate` against `production` (or `base` where none is live).

    A pure function of its arguments; the order of rows does not matter. Raises EvaluationFailed where the scores are
    not paired or lack base or candidate.
    """
    columns = pair_columns(scores)
    if not columns:
        nothing = dict.fromkeys(("held_out_rows", "held_out_conversations", "held_out_witnesses"), 0.0)
        return _too_few(rules, nothing | {"liked_rows": facts.liked_rows})
    case = build_case(columns, rules, facts=facts, votes=pair_votes(votes))
    if rules.primary == "vote_margin":
        if not facts.votes_can_judge:
            return _too_few_votes(rules, case.figures)
    elif case.figures["held_out_witnesses"] < rules.min_conversations:
        return _too_few(rules, case.figures)
    lost = tuple(suite_checks(suites, rules))
    preferred = checks.preference(facts.reward, rules)
    checked = (*_check(case), *preferred, *lost, *([Check(True, facts.primary_why)] if facts.primary_why else []))
    outcome = Outcome.PROMOTE if all(check.has_passed for check in checked) else Outcome.REJECT
    reasons = tuple(f"{'passed' if check.has_passed else 'failed'}: {check.sentence}" for check in checked)
    failed = {"failed_checks": _count_failed(checked), "failed_suites": _count_failed(lost)}
    reward = facts.reward.figures if facts.reward else {}
    return Verdict(outcome, reasons, _finite({**case.figures, **suite_figures(suites), **reward, **failed}))


def _check(case: Case) -> Iterator[Check]:
    yield checks.superiority(case)
    for anchor in case.anchors:
        yield checks.non_inferiority(case, anchor)
    yield slices.topics(case)
    yield slices.much_worse(case)
    for opponent in (case.rival, *case.anchors):
        yield checks.perplexity(case, opponent)
    yield checks.length(case)
    yield checks.repetition(case)
    yield checks.emptiness(case)
    yield checks.overlap(case)
    yield from checks.invention(case)
    yield from vetoes(case)
    yield checks.finiteness(case)


def _count_failed(checked: Iterable[Check]) -> float:
    return float(sum(not check.has_passed for check in checked))


def _too_few(rules: GateRules, figures: Mapping[str, float]) -> Verdict:
    sentence = (
        f"failed: only {checks.crowd(figures)}, and the gate needs {rules.min_conversations} to tell a better adapter "
        f"from a lucky one; production stays."
    )
    return Verdict(Outcome.INSUFFICIENT_DATA, (sentence,), _finite(figures))


def _too_few_votes(rules: GateRules, figures: Mapping[str, float]) -> Verdict:
    sentence = (
        f"failed: only {figures['liked_votes']:g} liked and {figures['disliked_votes']:g} disliked held-out answers of "
        f"{figures['vote_witnesses']:g} people, beside {checks.crowd(figures)}; to judge by votes the gate needs "
        f"{rules.min_conversations} people, {LEAST_KIND} on either side, and {LEAST_ASKED} who were answered; "
        f"production stays."
    )
    return Verdict(Outcome.INSUFFICIENT_DATA, (sentence,), _finite(figures))


def _finite(figures: Mapping[str, float]) -> Figures:
    return MappingProxyType({name: value for name, value in figures.items() if math.isfinite(value)})
