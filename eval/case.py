"""What the gate's checks look at: the contestants' scores side by side, and the figures made of them.

Does not judge: no bound is applied here. Pure.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eval.answers import Label
from eval.exam import ExamFacts
from eval.metrics.perplexity import corpus_perplexity
from eval.rules import GateRules, Primary
from eval.scores import ScoreColumns
from eval.statistics import Interval, interval_of_mean
from eval.vetoes.fault import Fault
from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]


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


@dataclass(frozen=True, slots=True)
class Case:
    """Without a production adapter the base model stands in its place."""

    rules: GateRules
    candidate: ScoreColumns
    rival: ScoreColumns
    rival_name: str
    anchor: ScoreColumns | None
    """The base model, where it is not the rival already."""
    figures: Mapping[str, float]


def build_case(columns: Mapping[Label, ScoreColumns], rules: GateRules, *, facts: ExamFacts) -> Case:
    """Raises EvaluationFailed where base or candidate is missing."""
    base, candidate, production = columns.get("base"), columns.get("candidate"), columns.get("production")
    if base is None or candidate is None:
        raise EvaluationFailed(
            "lack the base model or the candidate", subject="the scores", remedy="Examine both on the same rows."
        )
    rival = base if production is None else production
    sides = {"base": base, "production": rival, "candidate": candidate}
    figures = {f"{label}_{name}": value for label, side in sides.items() for name, value in _summary(side).items()}
    figures["perplexity_ratio"] = _ratio(figures["candidate_perplexity"], figures["production_perplexity"])
    figures["production_overlap"] = float(facts.production_overlap)
    figures["liked_rows"] = float(facts.liked_rows)
    figures["held_out_rows"] = float(len(candidate.row_ids))
    figures["held_out_conversations"] = float(len(set(candidate.conversation_ids)))
    anchor = None if production is None else base
    if figures["held_out_conversations"] > 1:
        figures |= _named("gain", _interval(candidate, rival, rules=rules))
        if anchor is not None:
            figures |= _named("base_gain", _interval(candidate, anchor, rules=rules))
    rival_name = "the base model (nothing is live yet)" if production is None else "production"
    return Case(rules, candidate, rival, rival_name, anchor, figures)


def gain(candidate: ScoreColumns, rival: ScoreColumns, *, primary: Primary) -> FloatArray:
    """(n,) gain of each row on the primary metric; above 0 the candidate is better."""
    values = PRIMARY[primary].values
    # Infinitely surprised twice is no comparison: the row's gain is not a number, and the gate says so.
    with np.errstate(invalid="ignore"):
        difference: FloatArray = values(candidate) - values(rival)
    return difference


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


def _interval(candidate: ScoreColumns, rival: ScoreColumns, *, rules: GateRules) -> Interval:
    gains = gain(candidate, rival, primary=rules.primary)
    if not np.isfinite(gains).all():
        return Interval(math.nan, math.nan, math.nan)
    return interval_of_mean(
        gains,
        candidate.conversation,
        alpha=rules.alpha,
        draws=rules.draws,
        # A fresh generator for each comparison: none depends on which others were made.
        rng=np.random.default_rng(rules.seed),
    )


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {f"{name}_low": interval.low, f"{name}_mean": interval.mean, f"{name}_high": interval.high}


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else math.nan
