"""Was a verdict right? The hidden satisfaction with candidate and production on the same questions says so.

The truth of a night is an interval, so it may stay open: then no verdict is called wrong. Pure.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import numpy as np

from eval.statistics import Interval, interval_of_mean

ALPHA: Final = 0.025
"""Of either bound: an interval of 95 %."""
DRAWS: Final = 10_000
SEED: Final = 17


class Ruling(StrEnum):
    RIGHT = "right"
    WRONG_PROMOTION = "wrong promotion"
    """It went live and people like it less."""
    WRONG_HOLD = "wrong hold"
    """It stayed back and people like it better."""
    OPEN = "open"
    """The questions do not tell which of the two people like better."""


def measure_gain(candidate: Sequence[float], production: Sequence[float], phrases: Sequence[str]) -> Interval:
    """Of the candidate over production, question by question; `phrases` groups those that are no two witnesses."""
    order = {phrase: number for number, phrase in enumerate(dict.fromkeys(phrases))}
    gains = np.array(candidate, dtype=np.float64) - np.array(production, dtype=np.float64)
    witness = np.array([order[phrase] for phrase in phrases], dtype=np.int64)
    return interval_of_mean(gains, witness, alpha=ALPHA, draws=DRAWS, rng=np.random.default_rng(SEED))


def judge(*, went_live: bool, gain: Interval) -> Ruling:
    if gain.low <= 0 <= gain.high:
        return Ruling.OPEN
    is_better = gain.low > 0
    if went_live is is_better:
        return Ruling.RIGHT
    return Ruling.WRONG_PROMOTION if went_live else Ruling.WRONG_HOLD
