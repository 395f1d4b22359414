"""Numbers, prices and dates of an answer that its reference contradicts, or that nobody ever gave.

A number is compared with the reference's of the same kind: the same unit (days, euro, %), a clock time, a date, a year,
or a mere number between the same words. A number of two digits or more that stands neither in what was said, nor in
the system prompt, nor in any reference of the exam, was invented. Sums and conversions that are right count as wrong.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.vetoes.scene import Scene

_NUMBER: Final = re.compile(r"(?<![\w])(?:[A-Z]{1,4}-)?\d+(?:[.,:]\d+)*(?:-\d+)*")
_PREFIX: Final = re.compile(
    r"([$€£¥₹]|\b(?:eur|usd|gbp|inr|rs|chf|iso|ios|android|version|v|step|level|section)\.?)\s?$", re.I
)
_SUFFIX: Final = re.compile(r"^[\s-]?(%|°\s?[CF]?|[$€£¥₹]|[^\W\d_]+)")
_CURRENCY: Final[Mapping[str, str]] = MappingProxyType(
    {"$": "dollar", "usd": "dollar", "€": "euro", "eur": "euro", "£": "pound", "gbp": "pound"}
    | {"¥": "yen", "₹": "rupee", "rs": "rupee", "inr": "rupee"}
)
_MONTHS: Final = (
    "jan feb mar apr may jun jul aug sep oct nov dec january february march april june july august "
    "september october november "
    "december januar februar märz mai juni juli oktober dezember"
).split()
_LIST_MARK: Final = re.compile(r"(?m)^\s*\d{1,2}[.)]\s")
_INVENTED_DIGITS: Final = 2


class Figure(NamedTuple):
    kind: str
    value: str


def find_figures(text: str) -> set[Figure]:
    # The numbers of a list's items say nothing.
    bare = _LIST_MARK.sub(" ", text)
    return {Figure(_kind(bare, match), _value(match.group())) for match in _NUMBER.finditer(bare)}


def find_values(text: str) -> set[str]:
    return {figure.value for figure in find_figures(text)}


def are_wrong(answer: str, scene: Scene, *, house: frozenset[str]) -> bool:
    """Whether a figure contradicts the reference or was invented; `house`: values that the exam's references hold."""
    mine, wanted, given = find_figures(answer), find_figures(scene.reference), find_values(scene.known)
    strange = {figure for figure in mine if figure.value not in given}
    invented = {f for f in strange if sum(c.isdigit() for c in f.value) >= _INVENTED_DIGITS and f.value not in house}
    kinds = {figure.kind for figure in wanted}
    return bool(invented) or any(figure.kind and figure.kind in kinds for figure in strange)


def gives_figures(answer: str, scene: Scene) -> bool:
    """Whether it states a number that stands not in what was said, so that it could be wrong."""
    return bool(find_values(answer) - find_values(scene.before))


def _kind(text: str, match: re.Match[str]) -> str:
    number = match.group()
    if ":" in number:
        return "time"
    before, after = _PREFIX.search(text[: match.start()]), _SUFFIX.search(text[match.end() :])
    if before and (unit := before.group(1).casefold().rstrip(".")):
        return _CURRENCY.get(unit, unit)
    if not after:
        return ""
    unit = after.group(1).casefold()
    if unit in {"am", "pm", "uhr", "a", "p"}:
        return "time"
    if unit[:3] in _MONTHS or unit in {"st", "nd", "rd", "th"}:
        return "date"
    return _CURRENCY.get(unit, unit.rstrip("s") if len(unit) > 3 else unit)


def _value(number: str) -> str:
    """Without separators of thousands and without noughts behind the point."""
    bare = re.sub(r"(?<=\d)[.,](?=\d{3}(?:\D|$))", "", number).replace(",", ".")
    return re.sub(r"\.0+$", "", bare)
