"""From which nearness on an answer may be served, so that a stated share of what is served is right.

In: for questions whose right answer is known, the score of the answer that would be served, and whether it is the right
one. Out: a threshold. The share among what is served is tested, exactly by the binomial distribution (Clopper & Pearson
1934), for one threshold after the other, from the strictest on, until one fails: what passed is right for all of them
together with the stated confidence ("Learn then Test", Angelopoulos et al. 2021, fixed-sequence testing, with a few
starts that share the error between them). Which thresholds are tested is chosen by the scores alone. Assumes that
tomorrow's questions are as those of the record. Pure.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
CONFIDENCE: Final = 0.9
STARTS: Final = 3
STEP: Final = 1.1
"""Each threshold lets so many times more through than the one before."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """How near is near enough."""

    threshold: float | None
    """Of the score; None where no threshold keeps what is asked for, or too little is known."""
    known: int
    """Questions of which the right answer is known."""
    least: int
    """So many must be served before anything can be promised."""
    served: int = 0
    """Of the known: so many would be served."""
    wrong: int = 0
    """Of the served: so many wrongly."""


def calibrate(scores: FloatArray, is_right: BoolArray, *, precision: float, known: int | None = None) -> Calibration:
    """`scores` (n,) of answers that would be served; `known` counts questions for which none would be, too."""
    error = (1 - CONFIDENCE) / STARTS
    least = fewest(precision, error=error)
    known = len(scores) if known is None else known
    order = np.argsort(-scores, kind="stable")
    descending, right = scores[order], np.cumsum(is_right[order])
    best = 0
    for start in _starts(least, len(scores)):
        size = start
        while size:
            served = int(np.searchsorted(-descending, -descending[size - 1], side="right"))
            if chance_of(int(right[served - 1]), served, precision) > error:
                break
            best = max(best, served)
            size = 0 if served == len(scores) else min(max(served + 1, int(served * STEP)), len(scores))
    if not best:
        return Calibration(None, known, least)
    return Calibration(float(descending[best - 1]), known, least, best, best - int(right[best - 1]))


def fewest(precision: float, *, error: float) -> int:
    """So many must be right, one and all, before `precision` is shown with that `error`."""
    return math.ceil(math.log(error) / math.log(precision))


def chance_of(right: int, served: int, precision: float) -> float:
    """How likely so many right ones, or more, are where no more than `precision` is."""
    return 1.0 if right == 0 else float(betainc(right, served - right + 1, precision))


def _starts(least: int, scores: int) -> list[int]:
    """Sizes from which testing starts, evenly spaced by their logarithms."""
    if scores < least:
        return []
    return sorted({round(size) for size in np.geomspace(least, max(least, scores / 2), STARTS)})
