"""Named scores: what may be a score's name and its value, and of which kind a value is.

A value is a yes or no, a number, or one of some words. Does not know who gives a score, nor of what.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from nightschool.errors import InvalidInput
from nightschool.text import check_name

ScoreValue = bool | float | str
MAX_NAME_CHARS: Final = 64
MAX_CATEGORY_CHARS: Final = 200
MAX_NUMBER: Final = 2**53
"""Beyond, whole numbers are not told apart any more."""


class ScoreKind(StrEnum):
    BOOLEAN = "boolean"
    NUMBER = "number"
    CATEGORY = "category"


KINDS: Final[Mapping[type, ScoreKind]] = {
    bool: ScoreKind.BOOLEAN, float: ScoreKind.NUMBER, int: ScoreKind.NUMBER, str: ScoreKind.CATEGORY,
}  # fmt: skip


def kind_of(value: ScoreValue) -> ScoreKind:
    return KINDS[type(value)]


def check_score(name: str, value: object) -> ScoreValue:
    """The value as it is kept. Raises InvalidInput, which names the score."""
    check_score_name(name)
    param = f"scores.{name}"
    if isinstance(value, str):
        if not value or len(value) > MAX_CATEGORY_CHARS:
            wanted = f"a category of 1 to {MAX_CATEGORY_CHARS} characters"
            raise InvalidInput(f"is not {wanted}", subject=param, remedy=f"Send {wanted}.", param=param)
        return check_name(value, subject=param, param=param)
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) <= MAX_NUMBER:
        return float(value)
    problem = "is too large or no number" if isinstance(value, int | float) else "is no boolean, number or text"
    remedy = "Send true or false, a number from -2^53 to 2^53, or a category."
    raise InvalidInput(problem, subject=param, remedy=remedy, param=param)


def check_score_name(name: str) -> str:
    """The name. Raises InvalidInput."""
    if not name or len(name) > MAX_NAME_CHARS:
        wanted = f"1 to {MAX_NAME_CHARS} characters"
        raise InvalidInput(
            f"a name has {len(name)} characters", subject="scores", remedy=f"Take {wanted}.", param="scores"
        )
    return check_name(name, subject=f"scores, name {name!r}", param="scores")
