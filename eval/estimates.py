"""Each contestant's figures with their intervals, as people are shown them. Judges nothing (`eval.gate`). Pure."""

import math
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import numpy as np

from eval.metrics.perplexity import corpus_perplexity
from eval.rules import GateRules
from eval.scores import ScoreColumns
from eval.statistics import Interval, interval_of_ratio

Better = Literal["more", "less", "neither"]


class Metric(NamedTuple):
    name: str
    """As in a verdict's figures, behind the contestant's label."""
    title: str
    better: Better


METRICS: Final = (
    Metric("token_f1", "token F1", "more"),
    Metric("rouge_l", "ROUGE-L", "more"),
    Metric("perplexity", "perplexity", "less"),
)
"""With intervals."""
PLAIN_METRICS: Final = (
    Metric("length_ratio", "length, answers / references", "neither"),
    Metric("repetition", "repeated word 4-grams", "less"),
    Metric("empty_share", "empty answers", "less"),
    Metric("fact_recall", "facts of the references stated", "more"),
    Metric("fact_support", "facts stated that stand somewhere", "more"),
    Metric("held_share", "held back by the guard", "less"),
    Metric("own_token_f1", "token F1 without the guard", "more"),
)
"""As the verdict has them."""


def told(figures: Mapping[str, float]) -> list[Metric]:
    """Those of `PLAIN_METRICS` that a verdict has of anybody: older ones, and answers without facts, lack some."""
    return [metric for metric in PLAIN_METRICS if any(name.endswith(f"_{metric.name}") for name in figures)]


class Estimate(NamedTuple):
    value: float
    interval: Interval | None
    """None where one witness, or an endless figure, allows none."""


def estimate(side: ScoreColumns, metric: Metric, *, rules: GateRules) -> Estimate:
    """One of `METRICS` of one contestant, resampled by whole witnesses."""
    if metric.name == "perplexity":
        value = corpus_perplexity(side.logprob_sum, side.reference_tokens)
        top, bottom = -side.logprob_sum, side.reference_tokens
    else:
        top = side.rouge_l if metric.name == "rouge_l" else side.token_f1
        value, bottom = float(top.mean()), np.ones_like(top)
    if side.witness.max() == 0 or not math.isfinite(value):
        return Estimate(value, None)
    rng = np.random.default_rng(rules.seed)
    interval = interval_of_ratio(top, bottom, witness=side.witness, alpha=rules.alpha, draws=rules.draws, rng=rng)
    if metric.name != "perplexity":
        return Estimate(value, interval)
    # Perplexity is resampled as the mean of logarithms that it is the exponential of.
    with np.errstate(over="ignore"):
        return Estimate(value, Interval(*np.exp(interval).tolist()))
