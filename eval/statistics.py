"""Confidence intervals from resampled conversations.

Turns of one conversation resemble each other, so whole conversations are drawn with replacement (the cluster bootstrap
of Field & Welsh 2007, JRSS B 69:369). Plain percentiles are too narrow with few conversations; they are widened as in
Hesterberg 2015 (The American Statistician 69:371, "expanded percentile"). Pure: randomness comes in as a Generator.
"""

import math
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import stdtrit

from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Bounds the memory of one block of resamples to some 32 MB; part of the result, since blocks share one generator.
_BLOCK_CELLS: Final = 2_000_000


class Interval(NamedTuple):
    low: float
    mean: float
    high: float


def interval_of_mean(
    values: FloatArray, conversation: IntArray, *, alpha: float, draws: int, rng: Generator
) -> Interval:
    """Mean of `values` (n,) with bounds that are each wrong with probability `alpha`.

    Give it paired differences to compare two contestants. Raises EvaluationFailed below two conversations.
    """
    ones = np.ones_like(values)
    return interval_of_ratio(values, ones, conversation=conversation, alpha=alpha, draws=draws, rng=rng)


def interval_of_ratio(
    top: FloatArray, bottom: FloatArray, *, conversation: IntArray, alpha: float, draws: int, rng: Generator
) -> Interval:
    """sum(top) / sum(bottom), both (n,), with bounds that are each wrong with probability `alpha`."""
    ratios = resample_ratios(top, bottom, conversation=conversation, draws=draws, rng=rng)
    level = widened_alpha(alpha, conversations=len(np.unique(conversation)))
    low, high = np.quantile(ratios, [level, 1 - level])
    return Interval(float(low), float(top.sum() / bottom.sum()), float(high))


def resample_ratios(
    top: FloatArray, bottom: FloatArray, *, conversation: IntArray, draws: int, rng: Generator
) -> FloatArray:
    """(draws,) ratios of sums in resamples of whole conversations; `conversation` (n,) holds labels 0..c-1."""
    tops, bottoms = np.bincount(conversation, weights=top), np.bincount(conversation, weights=bottom)  # (c,), (c,)
    count = len(tops)
    if count < 2:
        raise EvaluationFailed(
            f"{count} conversation{'' if count == 1 else 's'} cannot be resampled",
            subject="bootstrap",
            remedy="Hold out at least two conversations.",
        )
    ratios = np.empty(draws)
    block = max(1, _BLOCK_CELLS // count)
    for start in range(0, draws, block):
        picks = rng.integers(count, size=(min(block, draws - start), count))  # (block, c)
        ratios[start : start + block] = tops[picks].sum(axis=1) / bottoms[picks].sum(axis=1)
    return ratios


def widened_alpha(alpha: float, *, conversations: int) -> float:
    """The percentile that stands in for `alpha`: Phi(sqrt(c / (c - 1)) * t_{alpha, c-1})."""
    student = float(stdtrit(conversations - 1, alpha))
    return NormalDist().cdf(math.sqrt(conversations / (conversations - 1)) * student)
