"""Nights on which the candidate is no better: how often is a gain shown all the same, by the gate and by others?

Simulated: six kinds of gains per conversation whose mean is 0. Knows no texts.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from eval.answers import Label
from eval.gate import decide
from eval.rules import GateRules
from eval.scores import ScoreRow

FloatArray = NDArray[np.float64]
NO_GAIN: Final[Mapping[str, Callable[[np.random.Generator, int], FloatArray]]] = {
    "normal, sd .065": lambda rng, n: rng.normal(0, 0.065, n),
    "ties: 8 % differ, exponential": lambda rng, n: (rng.random(n) < 0.08) * (rng.exponential(0.1, n) - 0.1),
    "ties: 20 % differ by .1": lambda rng, n: (rng.random(n) < 0.2) * rng.choice([-0.1, 0.1], n),
    "98 % gain .01, 2 % lose .49": lambda rng, n: np.where(rng.random(n) < 0.02, -0.49, 0.01),
    "95 % gain .01, 5 % lose .19": lambda rng, n: np.where(rng.random(n) < 0.05, -0.19, 0.01),
    "long tail of losses": lambda rng, n: 0.05 * (1 - rng.exponential(1.0, n)),
}
SIZES: Final = (20, 60, 120)


class Said(NamedTuple):
    """Whether each would promote."""

    mean: bool
    """The higher mean wins."""
    t_test: bool
    """Paired, over rows, at the gate's alpha."""
    bootstrap: bool
    """Percentiles, over rows, at the same alpha."""


def rivals_say(gains: FloatArray) -> Said:
    alpha, rng = GateRules().alpha, np.random.default_rng(1)
    means = gains[rng.integers(len(gains), size=(1_000, len(gains)))].mean(axis=1)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    # Where nothing varies a t-test has nothing to divide by, and its user sees what is there.
    is_shown = gains.mean() > 0 if error < 1e-12 else stdtr(len(gains) - 1, -gains.mean() / error) < alpha
    return Said(bool(gains.mean() > 0), bool(is_shown), bool(np.quantile(means, alpha) > 0))


def count_false(name: str, conversations: int, *, nights: int, draws: int) -> list[int]:
    """Nights of `nights` that promote a candidate as good as production: ours, then each of `Said`."""
    rng = np.random.default_rng([conversations, *name.encode()])
    counts = np.zeros(1 + len(Said._fields), dtype=np.int64)
    for night in range(nights):
        gains = NO_GAIN[name](rng, conversations)
        was = 0.6 + rng.normal(0, 0.05, conversations).clip(-0.1, 0.1)
        sides: dict[Label, FloatArray] = {"base": was - 0.05, "production": was, "candidate": was + gains}
        scores = [_plain(label, i, float(f1)) for label, column in sides.items() for i, f1 in enumerate(column)]
        verdict = decide(scores, GateRules(draws=draws, seed=night))
        # Whether the mean is shown to be higher: what vetoes and bounds would say besides is no help here.
        counts += np.array([verdict.figures["gain_low"] > 0, *rivals_say(gains)])
    return [int(count) for count in counts]


def _plain(label: Label, number: int, f1: float) -> ScoreRow:
    return ScoreRow(label, f"r{number:04}", f"c{number:04}", f1, f1, 0.0, -20.0, 10, 12, 12, is_empty=False)
