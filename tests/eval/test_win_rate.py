import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binomtest

from eval.win_rate import share_with_interval, win_rate_at_equal_length


def rate(preference: list[float], longer: list[float]) -> tuple[float, float, float]:
    return win_rate_at_equal_length(
        np.array(preference), np.array(longer), np.arange(len(preference)), draws=500, seed=1
    )


def test_the_regression_is_the_one_that_a_general_minimiser_finds() -> None:
    rng = np.random.default_rng(3)
    longer = rng.normal(40, 100, 80)
    preference = rng.choice([0.0, 0.5, 1.0], 80, p=[0.2, 0.2, 0.6])
    pull = np.tanh(longer / longer.std())

    def loss(at: np.ndarray) -> float:
        score = at[0] + at[1] * pull
        rows = np.logaddexp(0, score) - preference * score
        return float(rows.sum() + np.logaddexp(0, at[0]) - 0.5 * at[0] + at[1] ** 2 / 2)

    found = minimize(loss, np.zeros(2), tol=1e-12)
    assert rate(preference.tolist(), longer.tolist())[0] == pytest.approx(1 / (1 + np.exp(-found.x[0])), abs=1e-5)


def test_who_wins_by_length_alone_does_not_win_at_equal_length() -> None:
    longer = [100.0] * 30 + [-100.0] * 30
    preference = [1.0] * 28 + [0.0] * 4 + [0.0] * 26 + [1.0] * 2
    assert rate(preference, longer)[0] == pytest.approx(0.5, abs=0.03)
    # Three in four were longer: the plain rate is far above what length leaves over.
    talker, shorter = [1.0] * 42 + [0.0] * 3, [0.0] * 13 + [1.0] * 2
    found = rate(talker + shorter, [100.0] * 45 + [-100.0] * 15)[0]
    assert found < (42 + 2) / 60


def test_without_any_difference_in_length_it_is_the_win_rate_with_one_tie_more() -> None:
    value, low, high = rate([1.0] * 9 + [0.0], [7.0] * 10)
    assert value == pytest.approx(9.5 / 11)
    assert low < value < high < 1


def test_exchanged_contestants_mirror_it() -> None:
    preference, longer = [1.0, 1.0, 0.5, 0.0, 1.0], [30.0, -20.0, 5.0, -80.0, 60.0]
    mirrored = rate([1 - one for one in preference], [-one for one in longer])[0]
    assert rate(preference, longer)[0] + mirrored == pytest.approx(1)


@pytest.mark.parametrize("won", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_what_is_always_the_same_has_a_rate(won: float, rows: int) -> None:
    value, low, high = rate([won] * rows, [float(10 * i) for i in range(rows)])
    assert 0 <= low <= high <= 1
    assert (value > 0.5) - (value < 0.5) == (won > 0.5) - (won < 0.5) or value == pytest.approx(0.5)


@pytest.mark.parametrize(("count", "total"), [(0, 5), (3, 7), (12, 12)])
def test_a_share_has_wilsons_interval(count: int, total: int) -> None:
    theirs = binomtest(count, total).proportion_ci(method="wilson")
    ours = share_with_interval(count, total)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
