"""What may be a score: everything else is refused by its name."""

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightschool.errors import InvalidInput
from nightschool.scores import MAX_NUMBER, ScoreKind, check_score, kind_of


@pytest.mark.parametrize(
    ("value", "kept", "kind"),
    [
        (True, True, ScoreKind.BOOLEAN),
        (0.25, 0.25, ScoreKind.NUMBER),
        (-3, -3.0, ScoreKind.NUMBER),
        (MAX_NUMBER, float(MAX_NUMBER), ScoreKind.NUMBER),
        ("very friendly", "very friendly", ScoreKind.CATEGORY),
    ],
)
def test_a_score_is_a_boolean_a_number_or_a_category(value: Any, kept: Any, kind: ScoreKind) -> None:
    score = check_score("tone", value)
    assert (score, type(score), kind_of(score)) == (kept, type(kept), kind)


@pytest.mark.parametrize(
    "value",
    [None, [], {}, math.nan, math.inf, -math.inf, 2**53 + 1, 10**400, "", " ", "good ", "a\nb", "a\u202eb", "x" * 201],
    ids=repr,
)
def test_what_is_none_is_named(value: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_score("tone", value)
    assert refused.value.param == "scores.tone"


@pytest.mark.parametrize("name", ["", "x" * 65, " tone", "to\0ne", "to\nne", "\ufefftone"])
def test_a_name_is_short_and_can_be_seen(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_score(name, True)
    assert refused.value.param == "scores"


@given(st.text(max_size=80), st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=220))
def test_whatever_is_sent_is_kept_or_refused(name: str, value: Any) -> None:
    with suppress(InvalidInput):
        assert isinstance(check_score(name, value), bool | float | str)
