"""Figures of the frozen core and of the fresh rows, each by itself: the one compares nights, the other meets today.

Judges nothing. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from eval.answers import Label
from eval.metrics.perplexity import corpus_perplexity
from eval.scores import BoolArray, FloatArray, ScoreColumns

TOLD: Final = (("fresh", "are of the last 14 days"), ("core", "are the core that never changes"))


def tell_ages(figures: Mapping[str, float]) -> Iterator[str]:
    """The candidate's mean gain on fresh rows, and on the core, beside that on all others; where there are both."""
    rows, mean = figures.get("held_out_rows", 0.0), figures.get("gain_mean")
    for name, what in TOLD:
        some, gain = figures.get(f"{name}_rows", 0.0), figures.get(f"{name}_gain_mean")
        if mean is not None and gain is not None and 0 < some < rows:
            others = (mean * rows - gain * some) / (rows - some)
            told = f"the mean gain is {gain:+.4f} on them, {others:+.4f} on the others."
            yield f"{some:g} of {rows:g} rows {what}: {told}"


def figures_by_age(sides: Mapping[Label, ScoreColumns], gains: FloatArray | None) -> dict[str, float]:
    """`core_...` and `fresh_...`: how many rows, each contestant's scores on them, and the mean of the candidate's
    `gains` (n,) over its rival, where they were made of these rows; nothing of what the exam does not hold."""
    candidate = sides["candidate"]
    return _figures("core", candidate.is_core, sides, gains) | _figures("fresh", candidate.is_fresh, sides, gains)


def _figures(
    name: str, rows: BoolArray, sides: Mapping[Label, ScoreColumns], gains: FloatArray | None
) -> dict[str, float]:
    if not rows.any():
        return {}
    figures = {f"{name}_rows": float(rows.sum())}
    if gains is not None:
        figures[f"{name}_gain_mean"] = float(gains[rows].mean())
    for label, side in sides.items():
        figures |= {f"{name}_{label}_{metric}": value for metric, value in _scores(side, rows).items()}
    return figures


def _scores(side: ScoreColumns, rows: BoolArray) -> dict[str, float]:
    return {
        "token_f1": float(side.token_f1[rows].mean()),
        "rouge_l": float(side.rouge_l[rows].mean()),
        "perplexity": corpus_perplexity(side.logprob_sum[rows], side.reference_tokens[rows]),
    }
