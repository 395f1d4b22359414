"""Confidence bounds from reweighted witnesses, one of whom nobody has met.

What one person says resembles itself, so whole witnesses are weighted (a person with all that they said; where it is
not known who spoke, a conversation): at random, all weightings of the simplex alike (the Bayesian bootstrap, Rubin
1981), with one witness more that lies at the worst, and for the upper bound at the best, that is reckoned with. This is
the bound of Gaffke 2005 (Math. Methods of Statistics 14), compared by Phan, Thomas & Learned-Miller 2021 (ICML). Pure:
randomness comes in as a Generator.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit

from nightschool.errors import EvaluationFailed

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# So many weights are drawn before those of the witness not met; part of the result, since they share one generator.
_BLOCK_CELLS: Final = 2_000_000
# So many at once stay in a processor's cache; no part of the result.
_CACHED_CELLS: Final = 32_768
POWER: Final = 0.8
"""How often what can be found is found: the custom of the field."""
MOST_TIMES: Final = 64.0
"""Beyond so many times the witnesses there are, nobody waits for them."""
_IN_A_TAIL: Final = 20
"""So many draws must lie beyond a quantile before it is worth anything."""


class Interval(NamedTuple):
    low: float
    mean: float
    high: float


def interval_of_mean(
    values: FloatArray, witness: IntArray, *, alpha: float, draws: int, rng: Generator, unseen: float = 0.0
) -> Interval:
    """Mean of `values` (n,) with bounds that are each wrong with probability `alpha`.

    Give it paired differences to compare two contestants; `unseen` is how far from 0 the mean of a witness may lie
    that was not met. Raises EvaluationFailed below two witnesses.
    """
    ones = np.ones_like(values)
    return interval_of_ratio(values, ones, witness=witness, alpha=alpha, draws=draws, rng=rng, beyond=(-unseen, unseen))


def interval_of_ratio(
    top: FloatArray,
    bottom: FloatArray,
    *,
    witness: IntArray,
    alpha: float,
    draws: int,
    rng: Generator,
    beyond: tuple[float, float] | None = None,
) -> Interval:
    """sum(top) / sum(bottom), both (n,), with bounds that are each wrong with probability `alpha`.

    `beyond`: the least and the greatest ratio of a witness that was not met; what was met may exceed them.
    """
    tops = np.bincount(witness, weights=top).astype(np.float64)  # (w,)
    bottoms = np.bincount(witness, weights=bottom).astype(np.float64)  # (w,)
    if len(tops) < 2:
        raise EvaluationFailed(
            f"{len(tops)} witness{'' if len(tops) == 1 else 'es'} cannot be resampled",
            subject="bootstrap",
            remedy="Hold out conversations of at least two people.",
        )
    met = tops / bottoms
    worst, best = (met.min(), met.max()) if beyond is None else (min(beyond[0], met.min()), max(beyond[1], met.max()))
    lows, highs = np.empty(draws), np.empty(draws)
    block = max(1, _BLOCK_CELLS // (len(tops) + 1))
    for start in range(0, draws, block):
        places = slice(start, min(start + block, draws))
        sums, sizes = _weight(tops, bottoms, draws=places.stop - start, rng=rng)
        extra = rng.standard_exponential(places.stop - start) * bottoms.mean()
        sizes += extra
        lows[places], highs[places] = (sums + extra * worst) / sizes, (sums + extra * best) / sizes
    return Interval(
        float(np.quantile(lows, alpha)), float(top.sum() / bottom.sum()), float(np.quantile(highs, 1 - alpha))
    )


def _weight(tops: FloatArray, bottoms: FloatArray, *, draws: int, rng: Generator) -> tuple[FloatArray, FloatArray]:
    """(draws,) sums of either, both (w,), in random weightings.

    Exponential weights divided by their sum are uniform on the simplex; in a ratio the sum cancels out.
    """
    sums, sizes = np.empty(draws), np.empty(draws)
    few = max(1, _CACHED_CELLS // len(tops))
    weights, weighted = np.empty((few, len(tops))), np.empty((few, len(tops)))
    for start in range(0, draws, few):
        some = slice(start, min(start + few, draws))
        drawn, product = weights[: some.stop - start], weighted[: some.stop - start]
        rng.standard_exponential(out=drawn)
        np.multiply(drawn, tops, out=product).sum(axis=1, out=sums[some])
        np.multiply(drawn, bottoms, out=product).sum(axis=1, out=sizes[some])
    return sums, sizes


def draws_for(alpha: float, *, at_least: int) -> int:
    """How many draws a quantile at `alpha` wants."""
    return max(at_least, math.ceil(_IN_A_TAIL / alpha))


def least_gain(witnesses: int, *, alpha: float, unseen: float) -> float:
    """The gain that must be exceeded to be shown, though every witness gained it alike.

    What occurs in a share p of all witnesses is missed by w of them with probability (1 - p)^w; at the p where
    that is `alpha`, a fall by `unseen` there takes away a gain of p / (1 - p) * unseen elsewhere.
    """
    missed = 1 - alpha ** (1 / witnesses)
    return float(missed / (1 - missed) * unseen)


def detectable_gain(
    gains: FloatArray,
    witness: IntArray,
    *,
    alpha: float,
    draws: int,
    rng: Generator,
    unseen: float = 0.0,
    times: float = 1.0,
) -> float:
    """The true mean gain that is shown at `alpha` in four exams of five of `times` as many witnesses of this kind.

    The lower bound above is over 0 once the mean exceeds the 1 - alpha quantile of what the weighting and the witness
    not met take away from it; a mean itself falls short by its standard error now and then, which `POWER` asks for
    (Cohen 1988, *Statistical Power Analysis*). A witness that stands for `times` of its like has as many exponential
    weights, whose sum is of Gamma's distribution.
    """
    sizes = np.bincount(witness).astype(np.float64)  # (w,)
    spread = np.bincount(witness, weights=gains - gains.mean())  # (w,)
    fall = max(unseen, float(-(np.bincount(witness, weights=gains) / sizes).min()))
    weights = rng.standard_gamma(times, (draws, len(sizes)))
    extra = rng.standard_exponential(draws) * sizes.mean()
    taken = (extra * fall - weights @ spread) / (weights @ sizes)
    error = math.sqrt(float(spread @ spread) / (1 - 1 / len(sizes)) / times) / sizes.sum()
    return float(np.quantile(taken, 1 - alpha) + ndtri(POWER) * error)


def witnesses_wanting(
    gains: FloatArray, witness: IntArray, *, alpha: float, draws: int, seed: int, unseen: float = 0.0
) -> int | None:
    """About how many more witnesses of this kind would show a true gain of the size met, in four exams of five.

    None where `MOST_TIMES` as many would not do. 0 where these should have shown it.
    """

    def is_enough(times: float) -> bool:
        rng = np.random.default_rng(seed)
        return bool(
            detectable_gain(gains, witness, alpha=alpha, draws=draws, rng=rng, unseen=unseen, times=times)
            <= gains.mean()
        )

    if not is_enough(MOST_TIMES):
        return None
    low, high = 1.0, MOST_TIMES
    if is_enough(low):
        return 0
    while high / low > 1.05:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return math.ceil((high - 1) * len(np.unique(witness)))


def highest_mean(values: FloatArray, witness: IntArray, *, alpha: float) -> float:
    """Student's upper bound of the mean over witnesses, wrong with probability `alpha`; inf for fewer than two.

    For slices of a few witnesses, where asking for a shown loss is all that can be asked.
    """
    labels, rows = np.unique(witness, return_inverse=True)
    if len(labels) < 2:
        return float("inf")
    means = np.bincount(rows, weights=values) / np.bincount(rows)
    error = means.std(ddof=1) / np.sqrt(len(means))
    return float(means.mean() - stdtrit(len(means) - 1, alpha) * error)


def chance_of_fall(values: FloatArray, witness: IntArray) -> float:
    """How likely chance alone takes a mean that did not fall so low: Student's one-sided p-value over witnesses.

    Never below that of as many coins that all fall on one side: few that happen to agree show nothing.
    """
    labels, rows = np.unique(witness, return_inverse=True)
    coins = 0.5 ** len(labels)
    if len(labels) < 2:
        return 1.0
    means = np.bincount(rows, weights=values) / np.bincount(rows)
    error = means.std(ddof=1) / math.sqrt(len(means))
    if error == 0:
        return coins if means[0] < 0 else 1.0
    return max(coins, float(stdtr(len(means) - 1, means.mean() / error)))
