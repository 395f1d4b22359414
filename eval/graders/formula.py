"""Formulas over scores, as OpenAI's `multi` grader has them: + - * / ^, parentheses, names, and a few functions.

Numbers only: nothing is looked up but the names that are given, and nothing is run. What has no finite value, such as a
division by zero, is NaN. Pure.
"""

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

MAX_CHARS: Final = 1_000
MAX_DEPTH: Final = 20
FUNCTIONS: Final[Mapping[str, Callable[..., float]]] = {
    "min": min, "max": max, "abs": abs, "floor": math.floor, "ceil": math.ceil, "exp": math.exp, "sqrt": math.sqrt,
    "log": math.log,
}  # fmt: skip
_OF_MANY: Final = frozenset({"min", "max"})
"""Take any number of arguments; the others take one."""
_TOKEN: Final = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)|(?P<name>[A-Za-z_]\w*)|(?P<sign>\*\*|[-+*/^(),])|(?P<other>\S)",
    re.ASCII,
)


class _Token(NamedTuple):
    kind: str
    text: str
    place: int
    """Of its first character, from 1."""


def check_formula(formula: str, *, names: Collection[str]) -> None:
    """Raises ValueError, which says at which character the formula is none over these names."""
    _Reader(formula, dict.fromkeys(names, 1.0)).value()


def calculate(formula: str, scores: Mapping[str, float]) -> float:
    """NaN or infinite where it has no value. Raises ValueError where `check_formula` does."""
    return _Reader(formula, scores).value()


class _Reader:
    """Reads a formula from left to right and calculates as it goes."""

    def __init__(self, formula: str, scores: Mapping[str, float]) -> None:
        if len(formula) > MAX_CHARS:
            raise ValueError(f"is longer than {MAX_CHARS} characters")
        found = _TOKEN.finditer(formula)
        self._tokens = [_Token(str(one.lastgroup), one[0], one.start() + 1) for one in found]
        self._tokens.append(_Token("end", "", len(formula) + 1))
        self._scores = scores
        self._depth = 0

    def value(self) -> float:
        found = self._sum()
        if self._next.kind != "end":
            raise self._fault("an operator is missing before it")
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[0]

    def _take(self, *signs: str) -> str:
        """The next token's text where it is one of the signs, else nothing."""
        return self._tokens.pop(0).text if self._next.kind == "sign" and self._next.text in signs else ""

    def _sum(self) -> float:
        found = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            found += other if sign == "+" else -other
        return found

    def _product(self) -> float:
        found = self._signed()
        while sign := self._take("*", "/"):
            other = self._signed()
            found = found * other if sign == "*" else _apply(lambda a, b: a / b, found, other)
        return found

    def _signed(self) -> float:
        """A power, or one with a sign before it: -2 ^ 2 is -4."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._fault(f"more than {MAX_DEPTH} levels deep")
        sign = self._take("+", "-")
        found = self._signed() if sign else self._power()
        self._depth -= 1
        return -found if sign == "-" else found

    def _power(self) -> float:
        found = self._single()
        return _apply(pow, found, self._signed()) if self._take("^", "**") else found

    def _single(self) -> float:
        """A number, a score, a function's value, or what stands in parentheses."""
        token = self._next
        if self._take("("):
            found = self._sum()
            self._close()
            return found
        if token.kind not in {"number", "name"}:
            raise self._fault("a number, a name or ( is expected")
        self._tokens.pop(0)
        if token.kind == "number":
            return float(token.text)
        if self._next.text == "(":
            return self._function(token)
        if token.text not in self._scores:
            raise _fault(token, f"no grader is called so; there are {', '.join(self._scores)}")
        return self._scores[token.text]

    def _function(self, name: _Token) -> float:
        if name.text not in FUNCTIONS:
            raise _fault(name, f"no function is called so; there are {', '.join(FUNCTIONS)}")
        self._take("(")
        given = [self._sum()]
        while self._take(","):
            given.append(self._sum())
        self._close()
        if len(given) > 1 and name.text not in _OF_MANY:
            raise _fault(name, "takes one argument")
        # Python's min and max want two.
        return given[0] if name.text in _OF_MANY and len(given) == 1 else _apply(FUNCTIONS[name.text], *given)

    def _close(self) -> None:
        if not self._take(")"):
            raise self._fault(") is expected")

    def _fault(self, problem: str) -> ValueError:
        return _fault(self._next, problem)


def _fault(token: _Token, problem: str) -> ValueError:
    what = repr(token.text[:40]) if token.text else "the end"
    return ValueError(f"has a fault at character {token.place}, {what}: {problem}")


def _apply(function: Callable[..., float], *given: float) -> float:
    if any(math.isnan(value) for value in given):
        return math.nan
    try:
        found = function(*given)
    except (ArithmeticError, ValueError):
        return math.nan
    return math.nan if isinstance(found, complex) else float(found)
