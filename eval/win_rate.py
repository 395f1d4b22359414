"""How often a judge prefers one of two contestants, and how often it would if their answers were of one length.

Judges like long answers, so whoever only talks more would win (Dubois et al. 2024, arXiv:2404.04475). As there, a
logistic regression explains each preference by a constant and by tanh(length difference / its spread); the win rate at
no difference is read off it. Here a tie of one row's weight stands for the constant and a standard normal prior for the
slope, so that few rows, all won, say no 100 %. Pure.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from scipy.special import expit, ndtri

from eval.statistics import FloatArray, IntArray

STEPS: Final = 50


class Rate(NamedTuple):
    value: float
    low: float
    high: float


def win_rate_at_equal_length(
    preference: FloatArray, length_difference: FloatArray, witness: IntArray, *, draws: int, seed: int
) -> Rate:
    """With its 95 % interval, from resamples of whole witnesses. `preference` (n,): 1 won, 0.5 tied, 0 lost;
    `length_difference` (n,): of the contestant's answer less its rival's; `witness` (n,) labels."""
    spread = length_difference.std()
    pull = np.tanh(length_difference / spread) if spread else np.zeros_like(length_difference)
    labels, rows = np.unique(witness, return_inverse=True)
    picks = np.random.default_rng(seed).multinomial(len(labels), [1 / len(labels)] * len(labels), size=draws)
    weights = np.vstack([np.ones(len(rows)), picks[:, rows]])  # (1 + draws, n)
    rates = expit(_fit_constants(preference, pull, weights))
    low, high = np.quantile(rates[1:], [0.025, 0.975])
    return Rate(float(rates[0]), float(low), float(high))


def share_with_interval(count: float, total: float) -> Rate:
    """Wilson's 95 % interval (1927, JASA 22:209); `total` is not 0."""
    z = float(ndtri(0.975))
    share, denominator = count / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / denominator
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / denominator
    return Rate(share, max(0.0, middle - half), min(1.0, middle + half))


def _fit_constants(preference: FloatArray, pull: FloatArray, weights: FloatArray) -> FloatArray:
    """(k,) constants of the regressions, one for each row of `weights` (k, n), by Newton's method."""
    constant, slope = np.zeros(len(weights)), np.zeros(len(weights))
    for _ in range(STEPS):
        chance = expit(constant[:, None] + slope[:, None] * pull)
        left, curve = weights * (preference - chance), weights * chance * (1 - chance)
        tie = expit(constant)
        down_constant = left.sum(axis=1) + 0.5 - tie
        down_slope = left @ pull - slope
        a, b, c = curve.sum(axis=1) + tie * (1 - tie), curve @ pull, curve @ pull**2 + 1
        determinant = a * c - b * b
        # Held to 1: a whole step may overshoot where almost every row was won.
        constant = constant + np.clip((c * down_constant - b * down_slope) / determinant, -1, 1)
        slope = slope + np.clip((a * down_slope - b * down_constant) / determinant, -1, 1)
    return constant
