"""Figures of a text with their units, such that one quantity in two notations is one and the same.

EUR 5 is five euros; a day has 24 hours; 2 pm is 14:00, and 12/11/2026 is 11 Dec 2026. Where a notation has two readings
(12/11, 1.000, 2:00) a figure holds both, and is the same as another where one of them is. Written here, since the
libraries that read dates or number words each settle for one reading. Does not know which figures are right, nor how
dates are written (`eval.vetoes.dates`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.vetoes.numerals import NUMBER, NUMBER_WORDS, read_number, read_number_words

Key = tuple[str, Decimal | str]
"""A scale and where on it: ("", 30), ("second", 86400), ("time", 840); "" has no unit."""


class Day(NamedTuple):
    """0: not said."""

    year: int
    month: int
    day: int


@dataclass(frozen=True, slots=True)
class Figure:
    kind: str
    """The unit, "time" or "date"; "" where it is a mere number."""
    keys: frozenset[Key]
    """What it may amount to; of a date its parts."""
    days: tuple[Day, ...] = ()
    """What a date may mean."""
    digits: int = 0
    """How long it is written; 0 in words."""


def is_same(one: Figure, other: Figure) -> bool:
    """Whether `one` may mean what `other` does. A mere number means whatever has that number."""
    if one.days:
        numbers = {Decimal(day.day or day.year) for day in one.days}
        is_number = not other.kind and any(("", number) in other.keys for number in numbers)
        return is_number or any(_is_same_day(mine, theirs) for mine in one.days for theirs in other.days)
    if (one.kind == "time") != (other.kind == "time") and {one.kind, other.kind} & {"", "hour"}:
        time, number = (one, other) if one.kind == "time" else (other, one)
        return any(("time", minute) in time.keys for minute in _minutes_of(number))
    return bool(one.keys & other.keys)


def _is_same_day(mine: Day, theirs: Day) -> bool:
    """The finest part of `mine` must be said; what only one of them says tells nothing."""
    finest = theirs.day == mine.day if mine.day else theirs.month == mine.month
    return finest and all(not a or not b or a == b for a, b in zip(mine, theirs, strict=True))


def minutes_of_day(hour: int, minute: int, *, half: str) -> frozenset[Decimal]:
    """What a clock may mean: `half` is `a` or `p` for am or pm; without it both halves of the day."""
    if half in {"a", "p"}:
        return frozenset({Decimal((hour % 12 + 12 * (half == "p")) * 60 + minute)})
    either = {hour % 24, (hour + 12) % 24} if 0 < hour <= 12 else {hour % 24}
    return frozenset(Decimal(60 * one + minute) for one in either)


def _minutes_of(number: Figure) -> set[Decimal]:
    hours = {value for scale, value in number.keys if not scale and isinstance(value, Decimal)}
    return {m for h in hours if h <= 24 and h == int(h) for m in minutes_of_day(int(h), 0, half="")}


class _Unit(NamedTuple):
    kind: str
    scale: str
    factor: int


def _units() -> Iterator[tuple[str, _Unit]]:
    table = (
        ("second", "second", 1, "s sec secs second seconds sekunde sekunden seconde secondes segundos secondi"),
        ("minute", "second", 60, "min mins minute minutes minuten minuto minutos minuti"),
        ("hour", "second", 3600, "h hr hrs hour hours stunde stunden std heure heures hora horas ora ore uur"),
        ("day", "second", 86400, "day days tag tage tagen jour jours día días dia dias giorno giorni dag dagen"),
        ("week", "second", 604800, "wk wks week weeks woche wochen semaine semaines semana semanas settimane weken"),
        ("month", "month", 1, "month months monat monate monaten mois mes meses mese mesi maand maanden"),
        ("year", "month", 12, "yr yrs year years jahr jahre jahren année années ans año años anno anni jaar"),
        ("percent", "percent", 1, "% percent pct prozent pourcent procent"),
        ("dollar", "dollar", 1, "$ us$ usd dollar dollars bucks"),
        ("euro", "euro", 1, "€ eur euro euros"),
        ("pound", "pound", 1, "£ gbp pound pounds quid"),
        ("rupee", "rupee", 1, "₹ inr rs rupee rupees"),
        ("yen", "yen", 1, "¥ jpy yen"),
        ("gram", "gram", 1, "g gr gram grams gramm"),
        ("kilogram", "gram", 1000, "kg kgs kilo kilos kilogram kilograms kilogramm"),
        ("metre", "millimetre", 1000, "metre metres meter meters metro metros metri"),
        ("centimetre", "millimetre", 10, "cm centimetre centimetres centimeter centimeters"),
        ("kilometre", "millimetre", 1_000_000, "km kilometre kilometres kilometer kilometers"),
        ("litre", "millilitre", 1000, "l litre litres liter liters litro litros"),
        ("millilitre", "millilitre", 1, "ml millilitre millilitres milliliter milliliters"),
    )
    for kind, scale, factor, names in table:
        for name in names.split():
            yield name, _Unit(kind, scale, factor)


_UNITS: Final[Mapping[str, _Unit]] = MappingProxyType(dict(_units()))
MEASURES: Final = frozenset(unit.kind for unit in _UNITS.values())
_TIMES_MORE: Final[Mapping[str, int]] = MappingProxyType(
    {"k": 1000, "thousand": 1000, "tausend": 1000, "mil": 1000, "million": 10**6, "millionen": 10**6, "mn": 10**6}
)
_NAMED: Final = re.compile(
    r"(us\$|[$€£¥₹]|\b(?:eur|usd|gbp|inr|jpy|rs|chf|iso|ios|android|version|v|step|level|section)\.?)\s?$"
)
_NAME_LETTERS: Final = 12
_COUNTED: Final = re.compile(
    r"^(?:[.,][-–—]+)?[\s-]?(?:(?:business|working|calendar|full|whole|consecutive|additional|extra|more)\s)?"
    r"(%|per\scent\b|por\sciento\b|°\s?[cf]?|us\$|[$€£¥₹]|[^\W\d_]+)"
)
_MORE: Final = re.compile(rf"^\s?({'|'.join(_TIMES_MORE)})\b")
_JOINTS: Final = ("to", "till", "until", "bis", "à", "a", "or", "oder", "ou", "o", "and", "und", "et", "y", "e")
TO: Final = rf"\s?(?:[-–—]|{'|'.join(_JOINTS)})\s?"
"""Between the two ends of a range."""
_BETWEEN: Final = re.compile(TO)


class _Number(NamedTuple):
    start: int
    end: int
    values: frozenset[Decimal | str]
    unit: _Unit | None
    digits: int


def read_quantities(text: str) -> Iterator[Figure]:
    """All numbers of `text`, which is casefolded and holds no dates or times any more."""
    numbers = sorted((*_written(text), *_in_words(text)), key=lambda number: number.start)
    for place, number in enumerate(numbers):
        following = numbers[place + 1] if place + 1 < len(numbers) else None
        unit = number.unit
        # Three to five days: both are days.
        if following and _BETWEEN.fullmatch(text[number.end : following.start]):
            unit = unit or following.unit
        keys: set[Key] = {("", value) for value in number.values}
        if unit:
            keys |= {(unit.scale, value * unit.factor) for value in number.values if isinstance(value, Decimal)}
        yield Figure(unit.kind if unit else "", frozenset(keys), (), number.digits)


def _written(text: str) -> Iterator[_Number]:
    for match in NUMBER.finditer(text):
        for start, end in _ends_of(match):
            values, behind = read_number(text[start:end]), end
            if more := _MORE.match(text[end:]):
                values = frozenset(v * _TIMES_MORE[more.group(1)] if isinstance(v, Decimal) else v for v in values)
                behind += more.end()
            digits = sum(c.isdigit() for c in text[start:end])
            yield _Number(start, end, values, _unit(text[: match.start()], text[behind:]), digits)


def _ends_of(match: re.Match[str]) -> Iterator[tuple[int, int]]:
    """3-5 are two numbers; 654-321987 is one."""
    parts = match.group().split("-")
    if len(parts) == 2 and all(len(part) <= 4 and not re.match(r"0\d", part) for part in parts):
        middle = match.start() + len(parts[0])
        yield match.start(), middle
        yield middle + 1, match.end()
    else:
        yield match.span()


def _in_words(text: str) -> Iterator[_Number]:
    for match in NUMBER_WORDS.finditer(text):
        value = read_number_words(match.group())
        unit = _unit("", text[match.end() :])
        # One of several, and an article in other languages: no count unless of a unit.
        if value is not None and (value > 1 or (unit and unit.kind in MEASURES)):
            yield _Number(match.start(), match.end(), frozenset({value}), unit, 0)


def _unit(before: str, behind: str) -> _Unit | None:
    if named := _NAMED.search(before[-_NAME_LETTERS:]):
        name = named.group(1).rstrip(".")
        return _UNITS.get(name, _Unit(name, name, 1))
    if (counted := _COUNTED.match(behind)) and counted.group(1) not in _JOINTS:
        name = "%" if re.match(r"p[eo]r\s", counted.group(1)) else counted.group(1).replace(" ", "")
        # Words of other things are brought to one form as far as an s goes.
        return _UNITS.get(name, _Unit(bare := name.rstrip("s") if len(name) > 3 else name, bare, 1))
    return None
