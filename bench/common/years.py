"""Nights without end, simulated: who promotes what is no better, or worse, and who holds what is better?

A candidate's gains per conversation are drawn from worlds of known mean, and each night asks the gate's bound at what
that night may spend (`eval.spending`), beside rules that others use. Gains are differences of the primary metric, token
F1 of 0..1, and a point is .01 of it. Knows no texts, and of the gate only whether a gain is shown: what vetoes and
guardrails would stop besides is no help here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from eval.rules import GateRules
from eval.spending import Spent, alpha_of_a_night
from eval.statistics import draws_for, interval_of_mean, least_gain

FloatArray = NDArray[np.float64]
World = Callable[[np.random.Generator, int], FloatArray]
NIGHTS: Final = 365
THRESHOLD: Final = 0.01
"""One point: of a rule that promotes whatever gains more, on average."""
NO_GAIN: Final[Mapping[str, World]] = {
    "normal, sd .065": lambda rng, n: rng.normal(0, 0.065, n),
    "normal, sd .20": lambda rng, n: rng.normal(0, 0.2, n),
    "ties: 8 % differ, exponential": lambda rng, n: (rng.random(n) < 0.08) * (rng.exponential(0.1, n) - 0.1),
    "ties: 20 % differ by .1": lambda rng, n: (rng.random(n) < 0.2) * rng.choice([-0.1, 0.1], n),
    "98 % gain .01, 2 % lose .49": lambda rng, n: np.where(rng.random(n) < 0.02, -0.49, 0.01),
    "95 % gain .01, 5 % lose .19": lambda rng, n: np.where(rng.random(n) < 0.05, -0.19, 0.01),
    "long tail of losses": lambda rng, n: 0.05 * (1 - rng.exponential(1.0, n)),
}
SPREADS: Final = (0.065, 0.12, 0.2)
"""Standard deviations of the gain per conversation. The first is met on the shipped questions: there a mean of .0789
had a lower bound of .0494 with 80 conversations (RESULTS.md), which is what this spread makes of it. Public dialogues
came to .04; the others are noisier than what was met."""
DRIFTS: Final = (0.5, 0.6, 0.75)
"""Share of the exam's questions that are of the kind on which a candidate gains more, where people ask half of each."""
AGAINST: Final = 0.25
"""The same, where the exam asks too little of that kind."""
OF_A_KIND: Final = 0.05
"""So much more a candidate gains on the one kind, and so much less on the other: people's mean is what it was."""


class Said(NamedTuple):
    """Whether each would promote."""

    mean: bool
    """The higher mean wins."""
    threshold: bool
    """A mean gain of more than `THRESHOLD` wins."""
    t_test: bool
    """Paired, over rows, at the gate's alpha."""
    bootstrap: bool
    """Percentiles, over rows, at the same alpha."""


class Shares(NamedTuple):
    """Of nights, 0..1, in which each promoted."""

    gate: float
    mean: float
    threshold: float
    t_test: float
    bootstrap: float


class Promoted(NamedTuple):
    """Of so many nights each promoted so many."""

    nights: int
    gate: int
    others: tuple[int, ...]
    """In the order of `Said`."""

    @property
    def shares(self) -> Shares:
        return Shares(self.gate / self.nights, *(count / self.nights for count in self.others))


def rivals_say(gains: FloatArray) -> Said:
    alpha, rng = GateRules().alpha, np.random.default_rng(1)
    means = gains[rng.integers(len(gains), size=(1_000, len(gains)))].mean(axis=1)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    # Where nothing varies a t-test has nothing to divide by, and its user sees what is there.
    is_shown = gains.mean() > 0 if error < 1e-12 else stdtr(len(gains) - 1, -gains.mean() / error) < alpha
    return Said(
        bool(gains.mean() > 0),
        bool(gains.mean() > THRESHOLD),
        bool(is_shown),
        bool(np.quantile(means, alpha) > 0),
    )


def alphas_of_a_year(*, a_year: float = GateRules().false_promotions_a_year) -> list[float]:
    """What each night of a bot's second year may spend: its first one has the first nights' more besides."""
    before: list[Spent] = []
    at = datetime(2026, 1, 1, 3, tzinfo=UTC)
    for night in range(2 * NIGHTS):
        when = at + timedelta(days=night)
        alpha = alpha_of_a_night(before[-NIGHTS:], at=when, most=GateRules().alpha, a_year=a_year)
        before.append(Spent(when, alpha))
    return [spent.alpha for spent in before[NIGHTS:]]


def shows_gain(gains: FloatArray, *, alpha: float, seed: int) -> bool:
    """As the gate asks it, every conversation being a witness."""
    rules = GateRules()
    # Up to there no gain can be shown, and to draw ten thousand weightings would tell nothing else.
    if not alpha or gains.mean() <= least_gain(len(gains), alpha=alpha, unseen=rules.unseen_fall):
        return False
    bound = interval_of_mean(
        gains, np.arange(len(gains)), alpha=alpha, draws=draws_for(alpha, at_least=1_000),
        rng=np.random.default_rng(seed), unseen=rules.unseen_fall,
    )  # fmt: skip
    return bound.low > 0


def count_promoted(world: str, conversations: int, *, alphas: Sequence[float], gain: float = 0.0) -> Promoted:
    """Nights of one world, each with a candidate of its own; `world` is one of `NO_GAIN`, `sd X` or `drift X`."""
    rng = np.random.default_rng([conversations, int(1_000 * (1 + gain)), *world.encode()])
    draw, gate = _world(world), 0
    others = np.zeros(len(Said._fields), dtype=np.int64)
    for night, alpha in enumerate(alphas):
        gains = draw(rng, conversations) + gain
        gate += shows_gain(gains, alpha=alpha, seed=night)
        others += np.array(rivals_say(gains))
    return Promoted(len(alphas), gate, tuple(int(count) for count in others))


def _world(name: str) -> World:
    kind, _, figure = name.partition(" ")
    if kind == "sd":
        return lambda rng, n: rng.normal(0, float(figure), n)
    if kind == "drift":
        return lambda rng, n: _drifted(rng, n, share=float(figure))
    return NO_GAIN[name]


def _drifted(rng: np.random.Generator, count: int, *, share: float) -> FloatArray:
    is_favoured = rng.random(count) < share
    return np.where(is_favoured, OF_A_KIND, -OF_A_KIND) + rng.normal(0, SPREADS[0], count)
