"""Numbers, prices and dates of an answer that its reference contradicts, or that nobody ever gave.

A figure is compared with the reference's of the same kind: the same unit (days, euro, %), a clock time, a date, or a
number before the same word; notation is no difference. What stands neither in what was said, nor in the system prompt,
nor in any reference of the exam, was invented: a quantity of a unit, a number of two digits or more, the number of an
order or a case. Sums that are right count as wrong, and so do conversions but those of time, weight and length.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from eval.vetoes.dates import take_dates
from eval.vetoes.quantities import MEASURES, Figure, Key, is_same, read_quantities
from eval.vetoes.scene import Scene

_LIST_MARK: Final = re.compile(r"(?m)^\s*\d{1,2}[.)](?=\s)")
_ALWAYS: Final = re.compile(r"\b24\s?[/x-]\s?7\b")
_CODE: Final = re.compile(r"(?<!\w)[^\W\d_]{1,6}(\d{5,})(?!\w)")
"""Of an order or a case. With fewer digits it is the name of a product."""
_INVENTED_DIGITS: Final = 2


def find_figures(text: str) -> tuple[Figure, ...]:
    # The numbers of a list's items say nothing, and who is there round the clock counts no hours.
    dates = take_dates(_ALWAYS.sub(" ", _LIST_MARK.sub(" ", text.casefold())))
    codes = (Figure("", frozenset({("", Decimal(run))}), (), len(run)) for run in _CODE.findall(dates.rest))
    return (*dates.figures, *read_quantities(dates.rest), *codes)


def find_values(text: str) -> set[Key]:
    """Whatever the figures of `text` may amount to, or a part of them: a group of a phone number was not made up."""
    runs = {("", Decimal(run)) for run in re.findall(r"\d+", text)}
    return {key for figure in find_figures(text) for key in figure.keys} | runs


def are_wrong(answer: str, scene: Scene, *, house: frozenset[Key]) -> bool:
    """Whether a figure contradicts the reference or was invented; `house`: values that the exam's references hold."""
    if not (stated := find_figures(answer)):
        return False
    kinds = {figure.kind for figure in find_figures(scene.reference)} - {""}
    return any(
        figure.kind in kinds or _is_invented(figure, house) for figure in _strange(stated, find_figures(scene.known))
    )


def gives_figures(answer: str, scene: Scene) -> bool:
    """Whether it states a number that stands not in what was said, so that it could be wrong."""
    return bool(_strange(find_figures(answer), find_figures(scene.before)))


def _strange(stated: Iterable[Figure], known: Iterable[Figure]) -> list[Figure]:
    given = tuple(known)
    return [figure for figure in stated if not any(is_same(figure, other) for other in given)]


def _is_invented(figure: Figure, house: frozenset[Key]) -> bool:
    if figure.kind in MEASURES:
        # Five days are no five euros: of what is measured the quantity itself must have been said.
        return house.isdisjoint(key for key in figure.keys if key[0])
    return figure.digits >= _INVENTED_DIGITS and figure.keys.isdisjoint(house)
