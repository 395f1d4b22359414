"""What is fresh and what never changes is told beside all else, so that a reader sees where a candidate gains."""

import pytest

from eval.ages import tell_ages

FIGURES = {"held_out_rows": 38.0, "gain_mean": 0.03, "fresh_rows": 14.0, "fresh_gain_mean": 0.09}


def test_what_is_fresh_stands_beside_the_others() -> None:
    [told] = tell_ages(FIGURES | {"core_rows": 0.0})
    assert told == "14 of 38 rows are of the last 14 days: the mean gain is +0.0900 on them, -0.0050 on the others."
    fresh, core = tell_ages(FIGURES | {"core_rows": 20.0, "core_gain_mean": 0.03})
    assert fresh == told
    assert core.startswith(
        "20 of 38 rows are the core that never changes: the mean gain is +0.0300 on them, +0.0300 on"
    )


@pytest.mark.parametrize(
    "without", [{"fresh_rows": 0.0}, {"fresh_rows": 38.0}, {"fresh_gain_mean": None}, {"gain_mean": None}]
)
def test_where_there_is_nothing_to_compare_nothing_is_told(without: dict[str, float | None]) -> None:
    figures = {name: value for name, value in (FIGURES | without).items() if value is not None}
    assert list(tell_ages(figures)) == []
