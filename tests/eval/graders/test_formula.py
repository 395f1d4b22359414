"""Formulas of `multi` graders: what they come to, and where those at fault are so."""

import math
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.graders.formula import FUNCTIONS, MAX_CHARS, calculate, check_formula

SCORES = {"a": 0.5, "b": 0.25, "_c1": 2.0, "min": 3.0}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("a", 0.5),
        ("0.5 * a + .5*b", 0.375),
        ("a - b - b", 0.0),
        ("_c1 / a / b", 16.0),
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("2 ** 3", 8.0),
        ("-2 ^ 2", -4.0),
        ("2 ^ -1", 0.5),
        ("2 * -a", -1.0),
        ("--a", 0.5),
        ("1e2 + 1.5E-1", 100.15),
        ("min(a, b, 1) + max(a) + abs(-1) + floor(1.9) + ceil(0.1)", 3.75),
        ("exp(0) + sqrt(4) + log(exp(1))", 4.0),
        ("min(min, 9)", 3.0),
        ("\ta\n*\r\n2 ", 1.0),
    ],
)
def test_what_a_formula_comes_to(formula: str, value: float) -> None:
    check_formula(formula, names=SCORES)
    assert calculate(formula, SCORES) == pytest.approx(value)


@pytest.mark.parametrize(
    "formula",
    ["a / (a - a)", "log(0)", "sqrt(-1)", "(-8) ^ (1/3)", "0 ^ -1", "exp(9999)", "9 ^ 9 ^ 9 ^ 9", "max(1, log(0))"],
)
def test_what_has_no_value_is_no_error_of_the_formula(formula: str) -> None:
    check_formula(formula, names=SCORES)
    assert not math.isfinite(calculate(formula, SCORES))


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("", "character 1, the end: a number, a name or ("),
        ("a +", "character 4, the end"),
        ("a b", "character 3, 'b': an operator is missing"),
        ("2a", "character 2, 'a': an operator is missing"),
        ("a + d", "character 5, 'd': no grader is called so; there are a, b"),
        ("a + (b", "character 7, the end: ) is expected"),
        ("a)", "character 2, ')'"),
        ("pow(a, 2)", "character 1, 'pow': no function is called so"),
        ("sqrt(a, b)", "character 1, 'sqrt': takes one argument"),
        ("min()", "character 5, ')'"),
        ("a if a else b", "character 3, 'if'"),
        ("a.real", "character 2, '.'"),
        ("a[0]", "character 2, '['"),
        ("'a'", "character 1"),
        ("__import__('os')", "character 1, '__import__': no function"),
        ("a == b", "character 3, '='"),
        ("ä", "character 1, 'ä'"),
        ("a" * (MAX_CHARS + 1), "longer than 1000"),
        ("(" * 400 + "a" + ")" * 400, "more than 20 levels deep"),
        ("-" * 900 + "a", "more than 20 levels deep"),
        ("a^" * 400 + "a", "more than 20 levels deep"),
    ],
)
def test_a_fault_is_told_with_its_place(formula: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        check_formula(formula, names=SCORES)


@given(st.lists(st.sampled_from([*"ab12.e+-*/^(), ", "min", "log(", "**", "ä", "\x00"]), max_size=60).map("".join))
def test_any_text_has_a_number_or_a_fault(formula: str) -> None:
    with suppress(ValueError):
        assert isinstance(calculate(formula, SCORES), float)


def test_openais_functions_are_all_there() -> None:
    assert set(FUNCTIONS) == {"min", "max", "abs", "floor", "ceil", "exp", "sqrt", "log"}
