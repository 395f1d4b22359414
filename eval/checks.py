"""The gate's checks on the whole of the answers: each looks at the case and gives a sentence that holds its figures.

Does not know which checks a verdict asks for (`eval.gate`). Pure.
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from eval.case import PRIMARY, Case, Opponent
from eval.metrics.perplexity import corpus_perplexity
from eval.paired import midp_mcnemar
from eval.reward_facts import RewardFacts
from eval.rules import GateRules
from eval.statistics import MOST_TIMES


class Check(NamedTuple):
    has_passed: bool
    sentence: str


def superiority(case: Case) -> Check:
    figures, rules = case.figures, case.rules
    low = figures["gain_low"]
    has_passed = low > 0 and rules.tonight > 0
    return Check(
        has_passed,
        f"better on {figures['better_rows']:g}, worse on {figures['worse_rows']:g} of "
        f"{_judged(case)}; {_comparison(case, case.rival)}, a gain "
        f"of {figures['gain_mean']:+.4f}, of which luck leaves {low:+.4f} ({'above' if low > 0 else 'not above'} 0; "
        f"{_risk(rules)}). {_resolution(figures, rules, has_passed=has_passed)}",
    )


def _judged(case: Case) -> str:
    figures = case.figures
    if case.rules.primary == "vote_margin":
        votes = figures["liked_votes"] + figures["disliked_votes"]
        return (
            f"{several(votes, 'answer')} that people rated (of {several(figures['vote_witnesses'], 'witness', 'es')})"
        )
    return f"{several(figures['held_out_rows'], 'question')} ({crowd(figures)})"


def _risk(rules: GateRules) -> str:
    a_year = several(rules.false_promotions_a_year, "false promotion")
    return f"tonight's part of {a_year} a year: one-sided alpha {rules.tonight:.2g}"


def _resolution(figures: Mapping[str, float], rules: GateRules, *, has_passed: bool) -> str:
    """What these witnesses could have shown, and what would settle it."""
    finds = f"So many find a gain of {figures.get('detectable_gain', math.nan):.4f} in about four nights of five"
    if has_passed:
        return f"{finds}."
    if not rules.tonight:
        return "Too many exams of late have used up what a year may risk: a night of rest gives some back."
    if not figures["gain_mean"] > 0:
        return f"{finds}; here none was met, and more questions would hardly show one."
    if "witnesses_wanting" not in figures:
        return f"{finds}; one as small as this would hardly be shown by {MOST_TIMES:g} times as many."
    more = figures["witnesses_wanting"]
    if not more:
        return f"{finds}: this night was one of the others, or the gain is smaller than it looks."
    return (
        f"{finds}; about {_round_up(more):g} more held-out conversations of other people would settle one of this size."
    )


def _round_up(count: float) -> float:
    """To two figures: it is an estimate."""
    unit = 10.0 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / unit) * unit


def non_inferiority(case: Case, anchor: Opponent) -> Check:
    """A chain of small losses, each within the noise, must not add up to a model worse than where it began."""
    low, margin = case.figures[f"{anchor.prefix}gain_low"], case.rules.anchor_margin
    has_passed = low >= -margin
    return Check(
        has_passed,
        f"{_comparison(case, anchor)}: a gain of {case.figures[f'{anchor.prefix}gain_mean']:+.4f}, whose lower bound "
        f"{low:+.4f} is {'not below' if has_passed else 'below'} the margin of {-margin:g}, so the adapters "
        f"{'have not fallen' if has_passed else 'may have fallen'} behind it over the nights.",
    )


def perplexity(case: Case, opponent: Opponent) -> Check:
    bound, ratio = case.rules.max_perplexity_ratio, case.figures[f"{opponent.prefix}perplexity_ratio"]
    other = corpus_perplexity(opponent.scores.logprob_sum, opponent.scores.reference_tokens)
    return Check(
        ratio <= bound,
        f"the candidate's held-out perplexity is {case.figures['candidate_perplexity']:.4g}, {ratio:.3f} times the "
        f"{other:.4g} of {opponent.name}; at most {bound:g} times is allowed.",
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


def invention(case: Case) -> Iterator[Check]:
    """Who states more facts has more occasions to invent, so a candidate falls by two things together: it was shown to
    invent in more of its answers, and a larger part of its facts is invented. Nothing where one of the two states no
    fact: that is no measure, and the vetoes are there."""
    mine, theirs = case.candidate, case.rival.scores
    if not (mine.facts_stated.any() and theirs.facts_stated.any()):
        return
    more = np.bincount(mine.witness, (mine.facts_invented > 0) * 1.0 - (theirs.facts_invented > 0))
    worse, better = int((more > 0).sum()), int((more < 0).sum())
    is_shown = midp_mcnemar(better, worse) <= case.rules.alpha
    share, other = case.figures["candidate_fact_support"], case.figures["production_fact_support"]
    yield Check(
        not (is_shown and share < other),
        f"of the facts that the candidate states {share:.1%} stand in what was said or in the reference, of those of "
        f"{case.rival.name} {other:.1%}; it invents in more answers to {several(worse, 'witness', 'es')} and "
        f"in fewer to {better} ({'' if is_shown else 'not '}shown at {case.rules.alpha:g}, mid-p McNemar). "
        "Fewer that stand, and that shown, is not allowed.",
    )


def finiteness(case: Case) -> Check:
    broken = sorted(name for name, value in case.figures.items() if not math.isfinite(value))
    if broken:
        return Check(False, f"these figures are not finite numbers: {', '.join(broken)}.")
    return Check(True, f"all {len(case.figures)} figures are finite numbers.")


def preference(found: RewardFacts | None, rules: GateRules) -> Iterator[Check]:
    """Only a reward model that is surely enough of people's mind may stop a candidate, and only for a loss that was
    shown: a gain in its eyes is none in people's, since a night may have trained for it."""
    if found is None or not found.is_believed(least=rules.reward_min_agreement):
        return
    has_passed = found.high >= 0.5
    yield Check(
        has_passed,
        f"by the reward model ({found.describe_agreement()}), {found.describe()}, which is "
        f"{'not shown to be' if has_passed else 'shown to be'} a loss (one-sided {rules.alpha:g}).",
    )


def crowd(figures: Mapping[str, float]) -> str:
    """Of how many witnesses the exam is made: several conversations of one person are one witness."""
    conversations, witnesses = figures["held_out_conversations"], figures["held_out_witnesses"]
    if conversations == witnesses:
        return several(conversations, "held-out conversation")
    return f"{several(conversations, 'held-out conversation')} of no more than {witnesses:g} people"


def several(count: float, noun: str, ending: str = "s") -> str:
    return f"{count:g} {noun}{'' if count == 1 else ending}"


def _comparison(case: Case, opponent: Opponent) -> str:
    if case.rules.primary == "vote_margin":
        return f"on vote margin (nats per token towards what was liked and away from what was not) over {opponent.name}"
    title, values = PRIMARY[case.rules.primary]
    candidate, other = float(values(case.candidate).mean()), float(values(opponent.scores).mean())
    return f"on {title} the candidate scores {candidate:.4f} against {other:.4f} of {opponent.name}"
