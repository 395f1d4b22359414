import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap

from eval.statistics import interval_of_mean, interval_of_ratio, resample_ratios, widened_alpha
from nightschool.errors import EvaluationFailed


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_resamples_follow_the_exact_distribution() -> None:
    # Three conversations of 1, 2 and 1 rows: all 27 equally likely draws can be listed.
    gain, conversation = np.array([1.0, 2.0, 4.0, -8.0]), np.array([0, 1, 1, 2])
    members = {0: [1.0], 1: [2.0, 4.0], 2: [-8.0]}
    exact: Counter[float] = Counter()
    for picks in itertools.product(range(3), repeat=3):
        rows = [row for pick in picks for row in members[pick]]
        exact[round(sum(rows) / len(rows), 9)] += 1
    draws = 40_000
    means = resample_ratios(gain, np.ones(4), conversation=conversation, draws=draws, rng=rng())
    found = Counter(np.round(means, 9).tolist())
    assert set(found) == set(exact)
    for mean, count in exact.items():
        share = count / 27
        assert found[mean] / draws == pytest.approx(share, abs=4 * (share * (1 - share) / draws) ** 0.5)


def test_interval_agrees_with_scipy_when_each_conversation_is_one_row() -> None:
    gain = rng().exponential(size=60) - 0.8
    level = widened_alpha(0.025, conversations=60)
    theirs = bootstrap(
        (gain,), np.mean, confidence_level=1 - 2 * level, n_resamples=20_000, method="percentile", rng=rng()
    ).confidence_interval
    ours = interval_of_mean(gain, np.arange(60), alpha=0.025, draws=20_000, rng=rng())
    assert ours.mean == pytest.approx(gain.mean())
    assert ours.low == pytest.approx(theirs.low, abs=0.01)
    assert ours.high == pytest.approx(theirs.high, abs=0.01)


def test_rows_of_one_conversation_count_as_one_witness() -> None:
    gain = np.repeat(rng().normal(size=20), 10)
    apart = interval_of_mean(gain, np.arange(200), alpha=0.025, draws=2_000, rng=rng())
    together = interval_of_mean(gain, np.repeat(np.arange(20), 10), alpha=0.025, draws=2_000, rng=rng())
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_alpha_is_widened_for_few_conversations() -> None:
    # t(.025, 19) = -2.0930; * sqrt(20 / 19) = -2.1474; Phi(-2.1474) = .01588.
    assert widened_alpha(0.025, conversations=20) == pytest.approx(0.01588, abs=1e-5)
    assert widened_alpha(0.025, conversations=100_000) == pytest.approx(0.025, abs=1e-5)


def test_ratio_of_sums_is_not_a_mean_of_ratios() -> None:
    interval = interval_of_ratio(
        np.array([1.0, 9.0]), np.array([1.0, 3.0]), conversation=np.array([0, 1]), alpha=0.1, draws=1_000, rng=rng()
    )
    assert interval.mean == 10 / 4
    assert (interval.low, interval.high) == (1.0, 3.0)


@pytest.mark.parametrize("conversation", [[], [0, 0, 0]])
def test_fewer_than_two_conversations_are_refused(conversation: list[int]) -> None:
    labels = np.array(conversation, dtype=np.int64)
    with pytest.raises(EvaluationFailed, match="conversation"):
        interval_of_mean(np.ones(len(labels)), labels, alpha=0.05, draws=1_000, rng=rng())


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40))
@settings(max_examples=30, deadline=None)
def test_exchanged_sides_mirror_the_interval(gains: list[float]) -> None:
    gain, conversation = np.array(gains), np.arange(len(gains)) // 2
    forth = interval_of_mean(gain, conversation, alpha=0.05, draws=1_000, rng=rng())
    back = interval_of_mean(-gain, conversation, alpha=0.05, draws=1_000, rng=rng())
    assert (back.low, back.mean, back.high) == pytest.approx((-forth.high, -forth.mean, -forth.low), abs=1e-12)
