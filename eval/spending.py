"""How much of what a year may cost tonight's comparison with production may risk.

A night that is compared at alpha .025 promotes what is no better in one night of forty at most, which is nine nights of
a year. People count years, so the promise is made for one: at most so many false promotions are expected in any 365.25
days. What is allowed drips into a bucket at an even rate, as Lan & DeMets 1983 (Biometrika 70:659) spend alpha by
time; the bucket holds little, each comparison takes half of what is in it, and what it does not hold is lost. So the
first nights, whose candidates are far better than the base model or nothing is, have more than the later ones, a bot
that is examined once a week has more for each exam than one that is every night, and whoever examines again at once
has half as much as before, not as much again.

The expected number of false promotions is at most the sum of the alphas spent, whatever the nights have to do with each
other (alpha spending of a stream of tests: Foster & Stine 2008, JRSS B 70:429). Alpha investing and its like (ibid.;
LORD, Javanmard & Montanari 2018, Annals of Statistics 46:526) earn alpha back by promotions. They promise a share of
the promotions instead of a number, and need nights that know nothing of each other, whereas ours ask half of the same
rows again. Nothing here depends on what verdicts said but whether there was a comparison at all. Pure.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple

YEAR: Final = timedelta(days=365.25)
TAKEN: Final = 0.5
"""Of what is in the bucket."""
LEAST: Final = 1e-4
"""Below it no resampling of ours could show anything, so nothing is taken."""


class Spent(NamedTuple):
    at: datetime
    alpha: float


def alpha_of_a_night(before: Iterable[Spent], *, at: datetime, most: float, a_year: float) -> float:
    """What a comparison begun `at` may spend, `before` being what was spent so far.

    `most` (0..1) is what a first comparison spends, `a_year` how many false promotions a year may be expected. All that
    is spent in any year comes to no more than `a_year`. 0 where too much was spent of late to try anything.
    """
    holds = min(most / TAKEN, a_year)
    spent = sorted(before)
    level = holds
    for one, later in pairwise((*spent, Spent(at, 0.0))):
        passed = max(later.at - one.at, timedelta(0)) / YEAR
        level = min(holds, max(0.0, level - one.alpha) + (a_year - holds) * passed)
    alpha = TAKEN * level
    return alpha if alpha >= LEAST else 0.0
