from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bayes_mvs, ttest_1samp

from eval.statistics import (
    FloatArray,
    chance_of_fall,
    detectable_gain,
    draws_for,
    highest_mean,
    interval_of_mean,
    interval_of_ratio,
    least_gain,
    witnesses_wanting,
)
from nightschool.errors import EvaluationFailed


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_gain_that_never_varies_could_still_miss_what_the_exam_did_not_hold() -> None:
    # c equal gains g and one conversation at -L: the bound is (1 - p) g - p L, where (1 - p)^c = alpha.
    alpha, count, gain, unseen = 0.025, 60, 0.01, 0.5
    missed = 1 - alpha ** (1 / count)
    interval = interval_of_mean(
        np.full(count, gain), np.arange(count), alpha=alpha, draws=40_000, rng=rng(), unseen=unseen
    )
    assert interval.low == pytest.approx((1 - missed) * gain - missed * unseen, abs=0.001)
    assert interval.high == pytest.approx((1 - missed) * gain + missed * unseen, abs=0.001)


def test_the_least_gain_that_could_be_shown_is_where_the_bound_of_an_even_gain_is_nothing() -> None:
    least = least_gain(60, alpha=0.025, unseen=0.5)
    assert least == pytest.approx(0.0317, abs=0.0005)
    lows = [
        interval_of_mean(np.full(60, gain), np.arange(60), alpha=0.025, draws=40_000, rng=rng(), unseen=0.5).low
        for gain in (least - 0.002, least + 0.002)
    ]
    assert lows[0] < 0 < lows[1]


def test_with_many_conversations_the_bounds_are_those_of_the_textbook() -> None:
    values = rng().normal(0.1, 1, 2_000)
    theirs = bayes_mvs(values, alpha=0.95)[0].minmax
    ours = interval_of_mean(values, np.arange(2_000), alpha=0.025, draws=10_000, rng=rng(), unseen=0.5)
    assert ours.mean == pytest.approx(values.mean())
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=0.005)


def test_rows_of_one_conversation_count_as_one_witness() -> None:
    gain = np.repeat(rng().normal(size=20), 10)
    apart = interval_of_mean(gain, np.arange(200), alpha=0.025, draws=2_000, rng=rng())
    together = interval_of_mean(gain, np.repeat(np.arange(20), 10), alpha=0.025, draws=2_000, rng=rng())
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_a_loss_that_was_met_counts_for_more_than_what_is_reckoned_with() -> None:
    gain = np.append(np.full(59, 0.1), -0.9)
    assert (
        interval_of_mean(gain, np.arange(60), alpha=0.025, draws=4_000, rng=rng(), unseen=0.1).low
        == interval_of_mean(gain, np.arange(60), alpha=0.025, draws=4_000, rng=rng(), unseen=0.9).low
    )


def test_ratio_of_sums_is_not_a_mean_of_ratios() -> None:
    interval = interval_of_ratio(
        np.array([1.0, 9.0]), np.array([1.0, 3.0]), witness=np.array([0, 1]), alpha=0.1, draws=1_000, rng=rng()
    )
    assert interval.mean == 10 / 4
    assert 1 < interval.low < 2 < interval.high < 3


@pytest.mark.parametrize("witnesses", [2, 60, 900])
def test_bounds_are_to_the_last_bit_what_drawing_all_weights_at_once_makes_them(witnesses: int) -> None:
    # A verdict is rebuilt bit for bit, so how draws are cut into pieces must not show; 900 take two blocks.
    draws, alpha, block = 3_000, 0.01, 2_000_000 // (witnesses + 1)
    tops, bottoms = rng().normal(0.1, 0.1, witnesses), rng().integers(1, 4, witnesses).astype(np.float64)
    lows: list[float] = []
    drawn = rng()
    for start in range(0, draws, block):
        count = min(block, draws - start)
        weights = drawn.standard_exponential((count, witnesses))
        extra = drawn.standard_exponential(count) * bottoms.mean()
        sizes = (weights * bottoms).sum(axis=1) + extra
        lows += (((weights * tops).sum(axis=1) - extra) / sizes).tolist()
    interval = interval_of_ratio(
        tops, bottoms, witness=np.arange(witnesses), alpha=alpha, draws=draws, rng=rng(), beyond=(-1, 1)
    )
    assert interval.low == np.quantile(lows, alpha)


@pytest.mark.parametrize("conversation", [[], [0, 0, 0]])
def test_fewer_than_two_conversations_are_refused(conversation: list[int]) -> None:
    labels = np.array(conversation, dtype=np.int64)
    with pytest.raises(EvaluationFailed, match="witness"):
        interval_of_mean(np.ones(len(labels)), labels, alpha=0.05, draws=1_000, rng=rng())


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40))
@settings(max_examples=30, deadline=None)
def test_exchanged_sides_mirror_the_interval(gains: list[float]) -> None:
    gain, conversation = np.array(gains), np.arange(len(gains)) // 2
    forth = interval_of_mean(gain, conversation, alpha=0.05, draws=1_000, rng=rng(), unseen=0.5)
    back = interval_of_mean(-gain, conversation, alpha=0.05, draws=1_000, rng=rng(), unseen=0.5)
    assert (back.low, back.mean, back.high) == pytest.approx((-forth.high, -forth.mean, -forth.low), abs=1e-12)


def test_the_bound_of_a_slice_is_students() -> None:
    gain = rng().normal(-0.1, 0.1, 9)
    high = highest_mean(np.repeat(gain, 2), np.repeat(np.arange(9), 2), alpha=0.01)
    # At the bound itself the textbook's one-sided test is at its level.
    assert ttest_1samp(gain, high, alternative="less").pvalue == pytest.approx(0.01)
    assert highest_mean(np.ones(3), np.zeros(3, dtype=np.int64), alpha=0.01) == float("inf")


def test_the_chance_of_a_fall_is_students_and_no_less_than_that_of_coins() -> None:
    gain = rng().normal(-0.05, 0.1, 9)
    theirs = ttest_1samp(gain, 0, alternative="less").pvalue
    assert 0.5**9 < theirs < 0.05
    assert chance_of_fall(np.repeat(gain, 2), np.repeat(np.arange(9), 2)) == pytest.approx(theirs)
    # Three who lost alike vary by nothing, and Student would be certain.
    assert chance_of_fall(np.full(3, -0.1), np.arange(3)) == 1 / 8
    assert chance_of_fall(np.full(3, 0.1), np.arange(3)) == 1
    assert chance_of_fall(np.full(9, -0.1), np.zeros(9, dtype=np.int64)) == 1


def test_a_small_alpha_wants_more_draws() -> None:
    assert draws_for(0.025, at_least=1_000) == 1_000
    assert draws_for(0.001, at_least=1_000) == 20_000


def finds(gains: FloatArray, witness: NDArray[np.int64], *, alpha: float = 0.025, times: float = 1.0) -> float:
    return detectable_gain(gains, witness, alpha=alpha, draws=4_000, rng=rng(), unseen=0.5, times=times)


@pytest.mark.parametrize(("deviation", "conversations"), [(0.065, 40), (0.2, 120)])
def test_a_gain_of_the_size_that_can_be_found_is_found_in_four_nights_of_five(
    deviation: float, conversations: int
) -> None:
    sample = rng().normal(0, deviation, conversations)
    sample *= deviation / sample.std(ddof=1)
    gain = finds(sample, np.arange(conversations))
    draw = partial(_two_turns, deviation=deviation, gain=gain)
    # Three standard errors of 200 nights at .8 are .085, and the spread of each night's sample is another one.
    assert shown(draw, conversations=conversations, nights=200) == pytest.approx(0.8, abs=0.13)


def test_what_more_would_find_is_what_as_many_find() -> None:
    few, many = rng().normal(0, 0.1, 40), np.tile(rng().normal(0, 0.1, 40), 4)
    assert finds(few, np.arange(40), times=4) == pytest.approx(finds(many, np.arange(160)), rel=0.03)
    assert finds(few, np.arange(40), times=4) < finds(few, np.arange(40), times=1.5) < finds(few, np.arange(40))


def test_who_is_wanting_is_counted_for_the_gain_that_was_met() -> None:
    def wanting(mean: float) -> int | None:
        gains = np.random.default_rng(1).normal(0, 0.1, 40)
        gains += mean - gains.mean()
        return witnesses_wanting(gains, np.arange(40), alpha=0.025, draws=2_000, seed=1, unseen=0.5)

    assert wanting(0.3) == 0
    assert wanting(0.0001) is None
    small, large = wanting(0.03), wanting(0.06)
    assert small is not None
    assert large is not None
    assert 0 < large < small


Draw = Callable[[np.random.Generator, int], FloatArray]


def _two_turns(generator: np.random.Generator, count: int, *, deviation: float, gain: float) -> FloatArray:
    """Means of two turns that share half of their variance."""
    shared, own = generator.normal(size=count), generator.normal(size=(count, 2)).mean(axis=1)
    turns: FloatArray = gain + deviation * (shared + own) / np.sqrt(1.5)
    return turns


def _rare_loss(generator: np.random.Generator, count: int, *, share: float, loss: float) -> FloatArray:
    return np.where(generator.random(count) < share, loss, -loss * share / (1 - share))


def _ties(generator: np.random.Generator, count: int, *, share: float, unequal: bool) -> FloatArray:
    sizes = generator.exponential(size=count) if unequal else np.ones(count)
    return np.where(generator.random(count) < share, generator.choice([-0.1, 0.1], count) * sizes, 0)


TIES: dict[str, Draw] = {
    f"{share:.0%} differ, {'un' if unequal else ''}equally": partial(_ties, share=share, unequal=unequal)
    for share in (0.03, 0.08, 0.2, 0.4)
    for unequal in (False, True)
}
NO_CHANGE: dict[str, Draw] = TIES | {
    "even": partial(_two_turns, deviation=0.065, gain=0),
    "long tail": lambda generator, count: 0.1 * (1 - generator.exponential(size=count)),
    "one in twenty loses .19": partial(_rare_loss, share=0.05, loss=-0.19),
    "one in fifty loses .49": partial(_rare_loss, share=0.02, loss=-0.49),
}


def shown(draw: Draw, *, conversations: int, nights: int) -> float:
    """Share of nights that show a gain."""
    generator = rng()
    lows = [
        interval_of_mean(
            draw(generator, conversations),
            np.arange(conversations),
            alpha=0.025,
            draws=400,
            rng=np.random.default_rng(17),
            unseen=0.5,
        ).low
        for _ in range(nights)
    ]
    return float(np.mean(np.array(lows) > 0))


@pytest.mark.parametrize("conversations", [20, 60, 120])
@pytest.mark.parametrize("name", NO_CHANGE)
def test_no_change_is_shown_as_a_gain_in_no_more_nights_than_alpha_says(name: str, conversations: int) -> None:
    # Three standard errors of 300 nights at .025: .027. The percentile bootstrap came to .09 to .68 with rare losses.
    assert shown(NO_CHANGE[name], conversations=conversations, nights=300) <= 0.025 + 0.027


@pytest.mark.parametrize(
    ("deviation", "gain", "conversations", "at_least"),
    [(0.065, 0.1, 80, 0.99), (0.12, 0.1, 80, 0.99), (0.065, 0.05, 80, 0.95), (0.12, 0.05, 120, 0.9)],
)
def test_honest_gains_are_seen(deviation: float, gain: float, conversations: int, at_least: float) -> None:
    draw = partial(_two_turns, deviation=deviation, gain=gain)
    assert shown(draw, conversations=conversations, nights=100) >= at_least
