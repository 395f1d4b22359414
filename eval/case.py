"""What the gate's checks look at: the contestants' scores side by side, and the figures made of them.

Does not judge: no bound is applied here. Pure.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.ages import figures_by_age
from eval.answers import Label
from eval.exam import ExamFacts
from eval.metrics.perplexity import corpus_perplexity
from eval.rules import GateRules, Primary
from eval.scores import ScoreColumns
from eval.spending import LEAST
from eval.statistics import Interval, detectable_gain, draws_for, interval_of_mean, least_gain, witnesses_wanting
from eval.vetoes.fault import Fault
from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]
ALIKE: Final = 1e-9
"""Within it two answers score the same."""
_RESOLUTION_DRAWS: Final = 2_000


class _Measure(NamedTuple):
    title: str
    values: Callable[[ScoreColumns], FloatArray]
    """(n,) one value per row, more is better."""


PRIMARY: Final[Mapping[Primary, _Measure]] = MappingProxyType(
    {
        "token_f1": _Measure("token F1", lambda columns: columns.token_f1),
        "rouge_l": _Measure("ROUGE-L", lambda columns: columns.rouge_l),
        # On the log scale rows add up; a ratio of perplexities would be ruled by the hardest row.
        "perplexity": _Measure("log-likelihood per token (minus log perplexity)", lambda columns: -columns.nll),
    }
)


class Opponent(NamedTuple):
    """Whom the candidate is compared with."""

    name: str
    prefix: str
    """Of the comparison's figures: `gain_low`, `base_gain_low`, `anchor_gain_low`."""
    scores: ScoreColumns


@dataclass(frozen=True, slots=True)
class Case:
    """Without a production adapter the base model stands in its place."""

    rules: GateRules
    candidate: ScoreColumns
    rival: Opponent
    """Whom the candidate must beat."""
    anchors: tuple[Opponent, ...]
    """Whom it must not fall behind: the base model and what a person promoted last, where they are not the rival."""
    figures: Mapping[str, float]


def build_case(columns: Mapping[Label, ScoreColumns], rules: GateRules, *, facts: ExamFacts) -> Case:
    """Raises EvaluationFailed where base or candidate is missing."""
    base, candidate, production = columns.get("base"), columns.get("candidate"), columns.get("production")
    if base is None or candidate is None:
        raise EvaluationFailed(
            "lack the base model or the candidate", subject="the scores", remedy="Examine both on the same rows."
        )
    if production is None:
        rival = Opponent("the base model (nothing is live yet)", "", base)
    else:
        rival = Opponent("production", "", production)
    anchors = tuple(_anchors(columns))
    sides = {**columns, "production": rival.scores}
    figures = {f"{label}_{name}": value for label, side in sides.items() for name, value in _summary(side).items()}
    figures["production_overlap"] = float(facts.production_overlap)
    figures["liked_rows"] = float(facts.liked_rows)
    figures["held_out_rows"] = float(len(candidate.row_ids))
    figures["held_out_conversations"] = float(len(set(candidate.conversation_ids)))
    figures["held_out_witnesses"] = float(candidate.witness.max() + 1)
    figures["alpha"] = rules.tonight
    figures["least_gain"] = least_gain(
        int(figures["held_out_witnesses"]), alpha=max(rules.tonight, LEAST), unseen=rules.unseen_fall
    )
    gains = gain(candidate, rival.scores, primary=rules.primary)
    figures |= figures_by_age(sides, gains) | _resolution(candidate, gains, rules=rules)
    for opponent in (rival, *anchors):
        # The year's false promotions are a matter of the gain over the rival; what must not be lost has its own level.
        figures |= _compare(candidate, opponent, rules=rules, alpha=rules.tonight if opponent is rival else rules.alpha)
    return Case(rules, candidate, rival, anchors, figures)


def gain(candidate: ScoreColumns, rival: ScoreColumns, *, primary: Primary) -> FloatArray:
    """(n,) gain of each row on the primary metric; above 0 the candidate is better."""
    values = PRIMARY[primary].values
    # Infinitely surprised twice is no comparison: the row's gain is not a number, and the gate says so.
    with np.errstate(invalid="ignore"):
        difference: FloatArray = values(candidate) - values(rival)
    return difference


def _anchors(columns: Mapping[Label, ScoreColumns]) -> Iterator[Opponent]:
    if "production" in columns:
        yield Opponent("the base model", "base_", columns["base"])
    if "anchor" in columns:
        yield Opponent("the last version that a person promoted", "anchor_", columns["anchor"])


def _summary(side: ScoreColumns) -> dict[str, float]:
    return {
        "perplexity": corpus_perplexity(side.logprob_sum, side.reference_tokens),
        "rouge_l": float(side.rouge_l.mean()),
        "token_f1": float(side.token_f1.mean()),
        "length_ratio": _ratio(float(side.answer_words.sum()), float(side.reference_words.sum())),
        "repetition": float(side.repetition.mean()),
        "empty_share": float(side.is_empty.mean()),
        **{f"fault_{fault}": sum(fault in faults for faults in side.faults) / len(side.faults) for fault in Fault},
    }


def _compare(candidate: ScoreColumns, opponent: Opponent, *, rules: GateRules, alpha: float) -> dict[str, float]:
    prefix, other = opponent.prefix, opponent.scores
    top = corpus_perplexity(candidate.logprob_sum, candidate.reference_tokens)
    figures = {f"{prefix}perplexity_ratio": _ratio(top, corpus_perplexity(other.logprob_sum, other.reference_tokens))}
    if candidate.witness.max() == 0:
        return figures
    interval = _interval(gain(candidate, other, primary=rules.primary), candidate, rules=rules, alpha=alpha)
    named = {"low": interval.low, "mean": interval.mean, "high": interval.high}
    return figures | {f"{prefix}gain_{end}": value for end, value in named.items()}


def _interval(gains: FloatArray, candidate: ScoreColumns, *, rules: GateRules, alpha: float) -> Interval:
    if not np.isfinite(gains).all():
        return Interval(math.nan, math.nan, math.nan)
    return interval_of_mean(
        gains,
        candidate.witness,
        # Where nothing may be risked the bound is that of the least risk there is, and `superiority` says the rest.
        alpha=max(alpha, LEAST),
        draws=draws_for(max(alpha, LEAST), at_least=rules.draws),
        # A fresh generator for each comparison: none depends on which others were made.
        rng=np.random.default_rng(rules.seed),
        unseen=rules.unseen_fall,
    )


def _resolution(candidate: ScoreColumns, gains: FloatArray, *, rules: GateRules) -> dict[str, float]:
    """On how many rows the candidate is better and worse, what gain so many witnesses find, and how many more would
    show the one that was met; left out where it is none, or no number would."""
    figures = {"better_rows": float((gains > ALIKE).sum()), "worse_rows": float((gains < -ALIKE).sum())}
    if candidate.witness.max() == 0 or not np.isfinite(gains).all():
        return figures
    alpha = max(rules.tonight, LEAST)
    draws, unseen = draws_for(alpha, at_least=_RESOLUTION_DRAWS), rules.unseen_fall
    rng = np.random.default_rng(rules.seed)
    figures["detectable_gain"] = detectable_gain(
        gains, candidate.witness, alpha=alpha, draws=draws, rng=rng, unseen=unseen
    )
    if 0 < gains.mean() < figures["detectable_gain"]:
        more = witnesses_wanting(gains, candidate.witness, alpha=alpha, draws=draws, seed=rules.seed, unseen=unseen)
        if more is not None:
            figures["witnesses_wanting"] = float(more)
    return figures


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan
