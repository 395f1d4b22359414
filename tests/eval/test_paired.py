"""Against published tables, against slow definitions, and by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from eval.paired import holm, lowest_difference, midp_mcnemar


@pytest.mark.parametrize(
    ("one", "other", "published"),
    [
        # Fagerland, Lydersen & Laake 2013, tables 1 and 2: airway hyper-responsiveness in 21 children (Bentur et al.
        # 2009), complete response to a therapy in 161 patients (Cavo et al. 2012). Their value is two-sided.
        (1, 7, 0.0390625),
        (6, 16, 0.034690),
    ],
)
def test_mid_p_is_the_published_one(one: int, other: int, published: float) -> None:
    assert 2 * midp_mcnemar(one, other) == pytest.approx(published, abs=1e-6)
    assert midp_mcnemar(one, other) + midp_mcnemar(other, one) == pytest.approx(1)


@pytest.mark.parametrize(("better", "worse"), list(product(range(8), repeat=2)))
def test_mid_p_counts_half_of_what_was_met(better: int, worse: int) -> None:
    if not better + worse:
        assert midp_mcnemar(0, 0) == 0.5
        return
    exact = binomtest(worse, better + worse, alternative="greater").pvalue
    assert midp_mcnemar(better, worse) == pytest.approx(exact - binom.pmf(worse, better + worse, 0.5) / 2)


@pytest.mark.parametrize("pairs", [10, 40])
@pytest.mark.parametrize("differ", [0.1, 0.4])
def test_mid_p_errs_no_more_often_than_it_says(pairs: int, differ: float) -> None:
    """All tables of two that are equally good, weighted by how often they come."""
    wrong = sum(
        binom.pmf(n, pairs, differ) * binom.pmf(worse, n, 0.5)
        for n in range(pairs + 1)
        for worse in range(n + 1)
        if midp_mcnemar(n - worse, worse) <= 0.05
    )
    assert wrong <= 0.051


def test_the_bound_of_a_difference_is_tangos() -> None:
    # The same 161 patients: -0.0621, 95 % from -0.1240 to -0.0054 (Fagerland, Lydersen & Laake 2014, Statistics in
    # Medicine 33:2850; the package contingencytables gives the same).
    assert lowest_difference(6, 16, pairs=161, alpha=0.025) == pytest.approx(-0.1240, abs=5e-5)
    assert -lowest_difference(16, 6, pairs=161, alpha=0.025) == pytest.approx(-0.0054, abs=5e-5)


@pytest.mark.parametrize("pairs", [5, 40, 400])
def test_where_no_pair_differs_the_bound_is_wilsons_of_none(pairs: int) -> None:
    squared = 1.959964**2
    assert lowest_difference(0, 0, pairs=pairs, alpha=0.025) == pytest.approx(-squared / (pairs + squared), abs=1e-6)


def test_all_better_and_all_worse_have_bounds_within_reason() -> None:
    assert -1 <= lowest_difference(0, 9, pairs=9, alpha=0.05) <= -0.9
    assert 0.5 < lowest_difference(9, 0, pairs=9, alpha=0.05) < 1


def test_the_bound_lies_above_the_truth_no_more_often_than_it_says() -> None:
    rng = np.random.default_rng(1)
    better, worse, pairs = 0.05, 0.15, 60
    counts = rng.multinomial(pairs, [better, worse, 1 - better - worse], size=2_000)
    bounds = {
        (b, w): lowest_difference(b, w, pairs=pairs, alpha=0.05) for b, w in {(int(b), int(w)) for b, w, _ in counts}
    }
    wrong = np.mean([bounds[int(b), int(w)] > better - worse for b, w, _ in counts])
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)


def test_holm_goes_down_step_by_step_and_stops() -> None:
    # The example of Wikipedia's article "Holm-Bonferroni method": the first and the last of four are rejected.
    assert holm([0.01, 0.04, 0.03, 0.005], alpha=0.05) == (True, False, False, True)
    # What comes behind the first that is not shown is not shown, though it would be alone.
    assert holm([0.02, 0.03, 0.04], alpha=0.05) == (False, False, False)
    assert holm([0.015, 0.025, 0.05], alpha=0.05) == (True, True, True)
    assert holm([], alpha=0.05) == ()


def test_holm_shows_any_wrongly_no_more_often_than_it_says() -> None:
    p_values = np.random.default_rng(2).uniform(size=(2_000, 8))
    p_values[:, 0] = 0.0
    wrong = np.mean([any(holm(row.tolist(), alpha=0.05)[1:]) for row in p_values])
    assert wrong <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)
