import math

import pytest

from tune.health import FIRST, PATIENCE, find_trouble

HIGH = [2.0] * FIRST + [4.0] * PATIENCE


@pytest.mark.parametrize(
    ("losses", "gradient", "words"),
    [
        ([2.0, math.nan], 1.0, "loss nan"),
        ([math.inf], 1.0, "loss inf"),
        ([2.0], math.nan, "gradient nan"),
        (HIGH, 1.0, "diverges: the loss began at 2 and was 4 or more in the last 20 steps"),
        ([2.0] * 50 + [9.0] * PATIENCE, 1.0, "diverges"),
    ],
)
def test_trouble_is_told_in_words(losses: list[float], gradient: float, words: str) -> None:
    assert words in str(find_trouble(losses, gradient=gradient))


@pytest.mark.parametrize(
    "losses",
    [
        [2.0],
        HIGH[:-1],  # not long enough
        [*HIGH[:-1], 1.0],  # it came down
        [2.0] * FIRST + [3.4] * PATIENCE,  # high, not far above
        [0.01] * FIRST + [0.4] * PATIENCE,  # many times next to nothing is little
        [4.0, 3.0, 2.0] * 20,
    ],
)
def test_what_is_no_trouble(losses: list[float]) -> None:
    assert find_trouble(losses, gradient=1.0) is None
