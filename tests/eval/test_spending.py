"""The promise is for a year: what is spent of alpha, and what that comes to."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from eval.spending import LEAST, YEAR, Spent, alpha_of_a_night

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def spend(pauses: Sequence[timedelta], *, most: float = 0.025, a_year: float = 1.0) -> Iterator[Spent]:
    """A comparison after each pause."""
    before: list[Spent] = []
    at = START
    for pause in pauses:
        at += pause
        before.append(Spent(at, alpha_of_a_night(before, at=at, most=most, a_year=a_year)))
        yield before[-1]


def test_first_nights_have_more_and_later_ones_an_even_part_of_the_year() -> None:
    alphas = [spent.alpha for spent in spend([DAY] * 400)]
    assert alphas[0] == 0.025
    assert alphas[1] == pytest.approx(0.0125, abs=0.002)
    # 1 a year less what the bucket holds, .05, over 365.25 nights.
    assert alphas[-1] == pytest.approx(0.95 / 365.25, rel=1e-6)
    assert sum(alphas[:365]) <= 1.0


def test_an_exam_a_week_spends_seven_nights_parts() -> None:
    nightly, weekly = ([s.alpha for s in spend([pause] * 60)][-1] for pause in (DAY, 7 * DAY))
    assert weekly == pytest.approx(7 * nightly, rel=1e-3)


def test_after_a_long_rest_no_night_spends_more_than_the_first() -> None:
    assert [spent.alpha for spent in spend([DAY, 5 * YEAR])] == [0.025, 0.025]


def test_asked_again_and_again_nothing_is_left_before_it_can_show_anything() -> None:
    alphas = [spent.alpha for spent in spend([timedelta(minutes=1)] * 30)]
    assert alphas[1] == pytest.approx(0.0125, rel=0.01)
    assert sum(alphas) < 0.0501
    assert alphas[-1] == 0
    assert min(alpha for alpha in alphas if alpha) >= LEAST


@given(
    st.lists(st.floats(0, 90), min_size=1, max_size=150),
    st.sampled_from([0.001, 0.025, 0.1]),
    st.sampled_from([0.02, 1.0, 6.0]),
)
@settings(max_examples=60, deadline=None)
def test_no_year_spends_more_than_it_may(days: list[float], most: float, a_year: float) -> None:
    spent = list(spend([timedelta(days=pause) for pause in days], most=most, a_year=a_year))
    for first in spent:
        of_a_year = [one.alpha for one in spent if first.at <= one.at < first.at + YEAR]
        assert sum(of_a_year) <= a_year * (1 + 1e-9)
        assert max(of_a_year) <= most


def test_the_order_of_the_record_and_a_clock_set_back_change_nothing_for_the_worse() -> None:
    before = [Spent(START + 3 * DAY, 0.01), Spent(START, 0.025), Spent(START + DAY, 0.012)]
    at = START + 4 * DAY
    forth, back = (alpha_of_a_night(some, at=at, most=0.025, a_year=1.0) for some in (before, before[::-1]))
    assert forth == back
    assert alpha_of_a_night(before, at=START, most=0.025, a_year=1.0) <= forth


def test_in_years_of_nights_without_gain_the_false_promotions_are_no_more_than_promised() -> None:
    """1,000 years of nights whose comparison is exact, so that all that is allowed is taken; half of each night's luck
    is that of the night before, as with an exam half of which stays."""
    alphas = np.array([spent.alpha for spent in spend([DAY] * 365)])
    rng = np.random.default_rng(3)
    luck = rng.normal(size=(1_000, 365))
    shared = rng.normal(size=(1_000, 1))
    from_scores = np.sqrt(0.5) * luck + np.sqrt(0.5) * shared
    promoted = (from_scores > -ndtri(alphas)).sum(axis=1)
    # Years that share their luck vary more than the 1 that Poisson's would: three standard errors.
    assert promoted.mean() <= 1.0 + 3 * promoted.std() / np.sqrt(1_000)
    assert (from_scores > -ndtri(0.025)).sum(axis=1).mean() > 8
