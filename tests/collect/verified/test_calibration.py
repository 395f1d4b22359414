"""Promises of precision: against scipy's binomial, at sizes that can be reckoned by hand, and kept on fresh draws."""

import numpy as np
import pytest
from scipy.stats import binomtest

from collect.verified.calibration import CONFIDENCE, STARTS, calibrate, chance_of, fewest


@pytest.mark.parametrize(("right", "served"), [(0, 5), (1, 10), (140, 142), (99, 100), (300, 300)])
def test_chance_is_scipys_binomial(right: int, served: int) -> None:
    test = binomtest(right, served, 0.98, alternative="greater")
    assert chance_of(right, served, 0.98) == pytest.approx(test.pvalue, rel=1e-9)


def test_the_rule_of_three() -> None:
    # 1 - .05 ** (1 / 59) > .05: 59 without a fault show .95 at 95 % confidence, 58 do not.
    assert fewest(0.95, error=0.05) == 59
    assert chance_of(59, 59, 0.95) <= 0.05 < chance_of(58, 58, 0.95)


def test_below_the_least_nothing_is_promised_and_it_says_how_many_it_takes() -> None:
    least = fewest(0.98, error=(1 - CONFIDENCE) / STARTS)
    few = calibrate(np.ones(least - 1), np.ones(least - 1, dtype=bool), precision=0.98)
    assert (few.threshold, few.known, few.least) == (None, least - 1, least)
    enough = calibrate(np.ones(least), np.ones(least, dtype=bool), precision=0.98)
    assert (enough.threshold, enough.served, enough.wrong) == (1.0, least, 0)
    nothing = calibrate(np.zeros(0), np.zeros(0, dtype=bool), precision=0.98)
    assert (nothing.threshold, nothing.known) == (None, 0)


def test_the_threshold_stops_where_wrong_answers_begin() -> None:
    scores = np.linspace(2, 0, 1_000)
    found = calibrate(scores, np.arange(1_000) < 600, precision=0.98)
    assert found.threshold is not None
    assert 500 < found.served <= 612
    assert scores[found.served - 1] == found.threshold
    assert found.wrong == max(0, found.served - 600)


def test_equal_scores_are_served_together_or_not_at_all() -> None:
    found = calibrate(np.repeat([1.0, 0.5], 200), np.repeat([True, False], 200), precision=0.95)
    assert (found.threshold, found.served) == (1.0, 200)


def test_the_promise_is_broken_less_often_than_stated() -> None:
    """1,000 records whose answers are right with the probability that their score says: the precision at the chosen
    threshold is then known exactly, and may be below the wanted one in a tenth of them."""
    rng = np.random.default_rng(7)
    broken = 0
    for _ in range(1_000):
        scores = rng.uniform(0.8, 1.0, 300)
        found = calibrate(scores, rng.uniform(size=300) < scores, precision=0.95)
        # Of scores drawn evenly from t..1 the mean is half way.
        broken += found.threshold is not None and (found.threshold + 1) / 2 < 0.95
    assert broken / 1_000 < 1 - CONFIDENCE
