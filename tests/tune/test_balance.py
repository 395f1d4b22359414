"""Rare topics are heard, within a bound."""

import pytest

from tune.balance import balance_topics

ROWS = {"returns": 80, "orders": 15, "gardens": 5}


@pytest.mark.parametrize("ratio", [1, 2, 4, 100])
def test_a_rare_topic_weighs_more_within_the_bound_and_the_whole_stays(ratio: float) -> None:
    factors = balance_topics(ROWS, ratio=ratio)
    assert factors["returns"] <= factors["orders"] <= factors["gardens"]
    assert factors["gardens"] / factors["returns"] == pytest.approx(min(ratio, 80 / 5))
    assert sum(count * factors[topic] for topic, count in ROWS.items()) == pytest.approx(100)


def test_without_a_bound_to_reach_every_topic_is_heard_alike() -> None:
    factors = balance_topics(ROWS, ratio=1_000)
    assert {round(ROWS[topic] * factor, 6) for topic, factor in factors.items()} == {33.333333}


def test_equal_topics_and_none_are_left_alone() -> None:
    assert balance_topics({"a": 7, "b": 7}, ratio=4) == pytest.approx({"a": 1, "b": 1})
    assert balance_topics({}, ratio=4) == {}
