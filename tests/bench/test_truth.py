"""Whether a verdict was right goes by what people like, and stays open where the questions do not tell."""

import pytest

from bench.common.truth import Ruling, judge, measure_gain
from eval.statistics import Interval

PHRASES = [f"phrase {number // 2}" for number in range(24)]


def test_a_better_candidate_is_seen_and_equal_ones_are_not() -> None:
    better = measure_gain([0.9] * 24, [0.4, 0.5] * 12, PHRASES)
    assert better.low > 0
    assert better.mean == pytest.approx(0.45)
    same = measure_gain([0.4, 0.5] * 12, [0.4, 0.5] * 12, PHRASES)
    assert same.low <= 0 <= same.high
    assert measure_gain([0.4, 0.5] * 12, [0.9] * 24, PHRASES).mean == pytest.approx(-better.mean)


def test_one_phrase_asked_often_is_one_witness() -> None:
    candidate = [1.0] * 2 + [0.4, 0.6] * 11
    alone = measure_gain(candidate, [0.5] * 24, [str(number) for number in range(24)])
    together = measure_gain(candidate, [0.5] * 24, PHRASES)
    assert together.high - together.low != alone.high - alone.low


@pytest.mark.parametrize(
    ("went_live", "gain", "ruling"),
    [
        (True, (0.1, 0.2, 0.3), Ruling.RIGHT),
        (False, (-0.3, -0.2, -0.1), Ruling.RIGHT),
        (True, (-0.3, -0.2, -0.1), Ruling.WRONG_PROMOTION),
        (False, (0.1, 0.2, 0.3), Ruling.WRONG_HOLD),
        (True, (-0.1, 0.0, 0.1), Ruling.OPEN),
        (False, (0.0, 0.1, 0.2), Ruling.OPEN),
    ],
)
def test_the_truth_of_a_verdict(went_live: bool, gain: tuple[float, float, float], ruling: Ruling) -> None:
    assert judge(went_live=went_live, gain=Interval(*gain)) is ruling
