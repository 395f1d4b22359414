"""Dates, times of the day and phone numbers of a text, in whatever notation.

14:00, 2 pm, 14 Uhr and 14h00 are one time; 2026-12-11, 11 Dec 2026 and 11th of December one day; 12/11/2026 is either
of two. Names of months in eight languages. Knows no other numbers; takes what it reads out of the text, so that none
of it is read again as a number.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from eval.vetoes.quantities import TO, Day, Figure, minutes_of_day

_Read = Callable[[re.Match[str]], Figure | None]
_MONTHS: Final[Mapping[str, int]] = MappingProxyType(
    {
        name: number
        for number, names in enumerate(
            (
                "january jan januar janvier enero gennaio janeiro januari",
                "february feb februar février febrero febbraio fevereiro februari",
                "march mar märz mars marzo março maart",
                "april apr avril abril aprile",
                "may mai mayo maggio maio mei",
                "june jun juni juin junio giugno junho",
                "july jul juli juillet julio luglio julho",
                "august aug août agosto augustus",
                "september sep sept septembre septiembre settembre setembro",
                "october oct oktober okt octobre octubre ottobre outubro",
                "november nov novembre noviembre novembro",
                "december dec dezember dez décembre diciembre dicembre dezembro",
            ),
            start=1,
        )
        for name in names.split()
    }
)
# `May` is a verb, too: option 2 may help.
_VERB: Final = r"may\s(?:be|have|not|also|take|need|vary|help|still|only|cause|differ|work|come|go)\b"
_MONTH: Final = rf"((?!{_VERB})(?:{'|'.join(sorted(_MONTHS, key=len, reverse=True))}))\b\.?"
_DAY: Final = r"(0?[1-9]|[12]\d|3[01])"
_NTH: Final = r"(?:st|nd|rd|th|er|\.|º)"
_YEAR: Final = r"((?:19|20)\d\d)"
_PHONE: Final = (
    r"(?<![\w.,])(?:\+\d|\(\d|0\d)(?:[ ()/.-]{0,2}\d){6,14}(?!\d)|(?<![\w.,-])\d{3}[ .-]\d{3}[ .-]\d{4}(?![\d-])"
)
PHONE_DIGITS: Final = 7
"""The last ones, which are written with a country's code and without."""


class Taken(NamedTuple):
    figures: Sequence[Figure]
    rest: str
    """The text with blanks in their place."""


def take_dates(text: str) -> Taken:
    """`text` is casefolded."""
    found: list[Figure] = []
    for pattern, read in _READERS:

        def cut(match: re.Match[str], read: _Read = read) -> str:
            if (figure := read(match)) is None:
                return match.group()
            found.append(figure)
            return " " * len(match.group())

        text = pattern.sub(cut, text)
    return Taken(found, text)


def _date(days: Iterable[Day], *, digits: int) -> Figure | None:
    valid = tuple(dict.fromkeys(day for day in days if day.month <= 12 and day.day <= 31))
    parts = {("", Decimal(part)) for day in valid for part in day if part}
    return Figure("date", frozenset(parts), valid, digits) if valid else None


def _year_month_day(match: re.Match[str]) -> Figure | None:
    year, month, day = (int(part or 0) for part in match.groups())
    return _date([Day(year, month, day)], digits=4)


def _slashed(match: re.Match[str]) -> Figure | None:
    """Day first or month first: both are meant somewhere."""
    one, mark, other, year = match.groups()
    is_version = len(year) == 2 and mark != "/" and len(one) + len(other) < 4
    if is_version or not int(one) or not int(other):
        return None
    full = int(year) + (2000 if len(year) == 2 else 0)
    return _date([Day(full, int(one), int(other)), Day(full, int(other), int(one))], digits=4)


def _day_and_month(match: re.Match[str]) -> Figure | None:
    day, month, year = match.groups()
    return _date([Day(int(year or 0), _MONTHS[month], int(day))], digits=len(day))


def _month_and_day(match: re.Match[str]) -> Figure | None:
    month, day, year = match.groups()
    return _date([Day(int(year or 0), _MONTHS[month], int(day))], digits=len(day))


def _month_and_year(match: re.Match[str]) -> Figure | None:
    month, year = match.groups()
    return _date([Day(int(year), _MONTHS[month], 0)], digits=4)


def _nth(match: re.Match[str]) -> Figure | None:
    return _date([Day(0, 0, int(match.group(1)))], digits=len(match.group(1)))


def _time(match: re.Match[str]) -> Figure:
    hour, minute, half = match.group("hour", "minute", "half")
    minutes = minutes_of_day(int(hour), int(minute or 0), half=(half or "")[:1])
    return Figure("time", frozenset(("time", m) for m in minutes), (), len(hour) + len(minute or ""))


def _noon(match: re.Match[str]) -> Figure:
    return Figure("time", frozenset({("time", Decimal(0 if match.group() == "midnight" else 720))}))


def _phone(match: re.Match[str]) -> Figure:
    digits = "".join(c for c in match.group() if c.isdigit())
    return Figure("", frozenset({("", Decimal(digits)), ("phone", digits[-PHONE_DIGITS:])}), (), len(digits))


_CLOCK: Final = r"(?<![\w.,:])(?P<hour>[01]?\d|2[0-4])"
_HALF_DAY: Final = r"(?P<half>a\.?\s?m\b\.?|p\.?\s?m\b\.?|uhr\b|o['’]?\s?clock\b)"
_READERS: Final[Sequence[tuple[re.Pattern[str], _Read]]] = tuple(
    (re.compile(pattern), read)
    for pattern, read in (
        (rf"(?<![\w./-]){_YEAR}[-./](0?[1-9]|1[0-2])[-./]{_DAY}(?![\w/-])", _year_month_day),
        (rf"(?:{_YEAR}年\s?)?(?<!\d)(\d{{1,2}})月\s?(\d{{1,2}})[日号]", _year_month_day),
        (r"(?<![\w./-])(\d{1,2})([-./])(\d{1,2})\2((?:19|20)?\d\d)(?![\w/-]|\.\d)", _slashed),
        (rf"(?<![\w.,]){_DAY}{_NTH}?\s+(?:of\s+|de\s+)?{_MONTH}(?:,?\s+(?:de\s+)?{_YEAR}\b)?", _day_and_month),
        (rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}{_NTH}?(?!\w|[.,:]\d)(?:,?\s+{_YEAR}\b)?", _month_and_day),
        (rf"\b{_MONTH},?\s+(?:de\s+)?{_YEAR}\b", _month_and_year),
        (rf"(?<![\w.,]){_DAY}(?:st|nd|rd|th)\b", _nth),
        (rf"{_CLOCK}:(?P<minute>[0-5]\d)(?::[0-5]\d)?(?!\d)(?:\s?{_HALF_DAY})?", _time),
        (rf"{_CLOCK}\.(?P<minute>[0-5]\d)\s?{_HALF_DAY}", _time),
        (rf"{_CLOCK}\s?h\s?(?P<minute>[0-5]\d)\b(?P<half>)", _time),
        # The first of nine to five pm may be either.
        (
            rf"{_CLOCK}(?P<minute>)(?P<half>)(?={TO}\d{{1,2}}(?:[:.]\d\d)?\s?{_HALF_DAY.replace('?P<half>', '?:')})",
            _time,
        ),
        (rf"{_CLOCK}(?P<minute>)\s?{_HALF_DAY}", _time),
        (r"\b(?:noon|midday|midnight)\b", _noon),
        (_PHONE, _phone),
    )
)
