"""The gate's checks on the whole of the answers: each looks at the case and gives a sentence that holds its figures.

Does not know which checks a verdict asks for (`eval.gate`). Pure.
"""

import math
from typing import NamedTuple

from eval.case import PRIMARY, Case
from eval.scores import ScoreColumns


class Check(NamedTuple):
    has_passed: bool
    sentence: str


def superiority(case: Case) -> Check:
    figures, rules = case.figures, case.rules
    low = figures["gain_low"]
    has_passed = low > 0
    return Check(
        has_passed,
        f"{_comparison(case, case.rival, name=case.rival_name)}: a gain of {figures['gain_mean']:+.4f}, whose lower "
        f"bound {low:+.4f} is {'above' if has_passed else 'not above'} 0 at one-sided alpha {rules.alpha:g} "
        f"({several(figures['held_out_conversations'], 'conversation')}, "
        f"{several(figures['held_out_rows'], 'row')}).",
    )


def anchor(case: Case, base: ScoreColumns) -> Check:
    high = case.figures["base_gain_high"]
    has_passed = high >= 0
    return Check(
        has_passed,
        f"{_comparison(case, base, name='the base model')}: a gain of {case.figures['base_gain_mean']:+.4f}, whose "
        f"upper bound {high:+.4f} is {'not below' if has_passed else 'below'} 0, so over the nights the adapters have "
        f"{'not been shown to fall' if has_passed else 'fallen'} behind where they began.",
    )


def _comparison(case: Case, rival: ScoreColumns, *, name: str) -> str:
    title, values = PRIMARY[case.rules.primary]
    candidate, other = float(values(case.candidate).mean()), float(values(rival).mean())
    return f"on {title} the candidate scores {candidate:.4f} against {other:.4f} of {name}"


def perplexity(case: Case) -> Check:
    figures, bound = case.figures, case.rules.max_perplexity_ratio
    ratio = figures["perplexity_ratio"]
    return Check(
        ratio <= bound,
        f"the candidate's held-out perplexity is {figures['candidate_perplexity']:.4g}, {ratio:.3f} times the "
        f"{figures['production_perplexity']:.4g} of {case.rival_name}; at most {bound:g} times is allowed.",
    )


def length(case: Case) -> Check:
    low, high = case.rules.length_ratio
    ratio = case.figures["candidate_length_ratio"]
    return Check(
        low <= ratio <= high,
        f"the candidate's answers are {ratio:.2f} times as long as the references (in words); "
        f"{low:g} to {high:g} is allowed.",
    )


def repetition(case: Case) -> Check:
    share, bound = case.figures["candidate_repetition"], case.rules.max_repetition
    return Check(
        share <= bound,
        f"the mean share of repeated word 4-grams in the candidate's answers is {share:.3f}; "
        f"at most {bound:g} is allowed.",
    )


def emptiness(case: Case) -> Check:
    share, bound = case.figures["candidate_empty_share"], case.rules.max_empty_share
    empty = several(int(case.candidate.is_empty.sum()), "answer")
    return Check(
        share <= bound,
        f"{empty} of the candidate {'is' if empty.startswith('1 ') else 'are'} empty, {share:.1%}; "
        f"at most {bound:.1%} is allowed.",
    )


def overlap(case: Case) -> Check:
    """Production would win by memory."""
    known = case.figures["production_overlap"]
    return Check(
        known == 0,
        f"production was trained on {several(known, 'conversation')} of the exam, or on a near-duplicate; "
        f"none is allowed.",
    )


def finiteness(case: Case) -> Check:
    broken = sorted(name for name, value in case.figures.items() if not math.isfinite(value))
    if broken:
        return Check(False, f"these figures are not finite numbers: {', '.join(broken)}.")
    return Check(True, f"all {len(case.figures)} figures are finite numbers.")


def several(count: float, noun: str) -> str:
    return f"{count:g} {noun}{'' if count == 1 else 's'}"
