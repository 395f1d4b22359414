"""Pass or fail, side by side: what can be said of the pairs on which two contestants differ, and of many looks at once.

Pure functions of counts and of p-values. Does not know what passed or why.
"""

import math
from collections.abc import Sequence
from typing import Final

from scipy.special import bdtrc, ndtri

_STEPS: Final = 60
"""Of halving an interval of 2 at most: to the last bit."""


def midp_mcnemar(better: int, worse: int) -> float:
    """How likely chance alone makes so many pairs worse: the one-sided mid-p value of McNemar's test.

    Of the pairs that differ half should be worse; the probability of more than `worse` of them, and half of that of
    just so many (Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13:91, who show that it keeps its
    level where the asymptotic test does not and sees more than the exact one). 0.5 where no pair differs.
    """
    differ = better + worse
    at_least = bdtrc(worse - 1, differ, 0.5) if worse else 1.0
    return float((bdtrc(worse, differ, 0.5) + at_least) / 2)


def lowest_difference(better: int, worse: int, *, pairs: int, alpha: float) -> float:
    """Lower bound of the difference (better - worse) / pairs, wrong with probability `alpha`.

    Tango 1998 (Statistics in Medicine 17:891), the score test's: the difference at which what was met lies just `alpha`
    in its upper tail, the share of worse pairs being the likeliest one at that difference.
    """
    asked = float(ndtri(1 - alpha))
    low, high = -1.0, (better - worse) / pairs
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _score(middle, better, worse, pairs=pairs) > asked else (low, middle)
    return low


def _score(difference: float, better: int, worse: int, *, pairs: int) -> float:
    """Standard errors by which what was met lies above a true `difference`."""
    linear = (2 * pairs - better + worse) * difference - better - worse
    constant = -worse * difference * (1 - difference)
    likeliest_worse = (math.sqrt(linear * linear - 8 * pairs * constant) - linear) / (4 * pairs)
    variance = pairs * (2 * likeliest_worse + difference * (1 - difference))
    above = better - worse - pairs * difference
    return above / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, above)


def holm(p_values: Sequence[float], *, alpha: float) -> tuple[bool, ...]:
    """Which of many are shown, so that with probability `alpha` at most any of them is shown wrongly.

    Holm 1979 (Scandinavian Journal of Statistics 6:65): the smallest p-value is held against alpha / m, the next one
    against alpha / (m - 1), and so on until the first that is above. Never sees less than Bonferroni's alpha / m.
    """
    shown = [False] * len(p_values)
    for place, number in enumerate(sorted(range(len(p_values)), key=lambda n: p_values[n])):
        if p_values[number] > alpha / (len(p_values) - place):
            break
        shown[number] = True
    return tuple(shown)
