"""A cron line of one time a day, and the moments it stands for in a time zone.

A night is named by its local date, so a date has one slot at most: a line that comes more often is refused, and so is
one that never comes. A time that the clock change skips counts the hour later, one that comes twice the first time.
Every search goes day by day over a bounded span and compares instants in UTC: wall clocks run backwards once a year.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
LONGEST_GAP: Final = timedelta(days=8 * 366 + 1)
"""Between two 29ths of February around a century that has none."""
DAY: Final = timedelta(days=1)


class Slot(NamedTuple):
    """A night that is due: its date by the bot's own clock, and the moment."""

    local_date: date
    at: datetime
    """Aware, in UTC."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A line as `read_cron` understood it."""

    at: time
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    """0 is Monday, as in `date.weekday`."""

    def newest_slot(self, zone: ZoneInfo, *, after: datetime, until: datetime) -> Slot | None:
        """The last slot with `after` < its moment <= `until`."""
        # A day more on both sides: a skipped or doubled midnight shifts the date on the wall.
        newest = until.astimezone(zone).date() + DAY
        span = until - after
        for local_date in _days(newest, count=span.days + 4, step=-DAY):
            if self._falls_on(local_date) and after < (at := self._moment(local_date, zone)) <= until:
                return Slot(local_date, at)
        return None

    def next_slot(self, zone: ZoneInfo, *, after: datetime) -> Slot:
        """The first slot whose moment is behind `after`."""
        first = after.astimezone(zone).date() - DAY
        for local_date in _days(first, count=LONGEST_GAP.days + 4, step=DAY):
            if self._falls_on(local_date) and (at := self._moment(local_date, zone)) > after:
                return Slot(local_date, at)
        raise AssertionError("read_cron refuses a line that never comes")

    def _falls_on(self, day: date) -> bool:
        return day.day in self.days and day.month in self.months and day.weekday() in self.weekdays

    def _moment(self, local_date: date, zone: ZoneInfo) -> datetime:
        # fold=0: the first of two, and where there is none the hour later (PEP 495).
        return datetime.combine(local_date, self.at, tzinfo=zone).astimezone(UTC)


def read_cron(line: str) -> Cron:
    """Raises ValueError that says which part is wrong."""
    fields = line.lower().split()
    if len(fields) != 5:
        raise ValueError("must have five fields: minute hour day month weekday")
    minute, hour, day, month, weekday = fields
    # Cron counts weekdays from Sunday, others from Monday: only names mean the same to everybody.
    if any(character.isdigit() for character in weekday):
        raise ValueError("weekday must be a name such as sun or mon-fri, since numbers mean different days")
    if day != "*" and weekday != "*":
        raise ValueError("give a day or a weekday, not both: to some both must fit, to others one is enough")
    cron = Cron(
        at=time(_one("hour", hour, below=24), _one("minute", minute, below=60)),
        days=_several("day", day, lowest=1, highest=31),
        months=_several("month", month, lowest=1, highest=12, names=MONTHS),
        weekdays=_several("weekday", weekday, lowest=0, highest=6, names=WEEKDAYS, may_wrap=True),
    )
    if not any(min(cron.days) <= LONGEST_MONTHS[number - 1] for number in cron.months):
        raise ValueError(f"never comes: no such month has a day {min(cron.days)}")
    return cron


def _one(field: str, text: str, *, below: int) -> int:
    if _is_number(text) and int(text) < below:
        return int(text)
    if any(mark in text for mark in "*,-/"):
        raise ValueError(f"{field} must be one number, not {text!r}: a bot goes to school once a day")
    raise ValueError(f"{field} must be a number from 0 to {below - 1}, not {text!r}")


def _several(
    field: str, text: str, *, lowest: int, highest: int, names: Sequence[str] = (), may_wrap: bool = False
) -> frozenset[int]:
    """The numbers of a list of `*`, single values and ranges, each with a step or without."""

    def number(word: str) -> int:
        value = names.index(word) + lowest if word in names else int(word) if _is_number(word) else -1
        if not lowest <= value <= highest:
            allowed = f"{names[0]} to {names[-1]}" if names else f"{lowest} to {highest}"
            raise ValueError(f"{field} knows {allowed}, not {word!r}")
        return value

    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if slash and not (_is_number(step) and int(step) > 0):
            raise ValueError(f"{field} has a step that is no number above 0: {part!r}")
        if span == "*":
            values = list(range(lowest, highest + 1))
        else:
            start, end = number(first), number(last if dash else first)
            if slash and not dash:
                end = highest
            if end < start and not may_wrap:
                raise ValueError(f"{field} runs backwards: {part!r}")
            values = [*range(start, end + 1)] or [*range(start, highest + 1), *range(lowest, end + 1)]
        found.update(values[:: int(step) if slash else 1])
    return frozenset(found)


def _is_number(text: str) -> bool:
    # Not `isdigit`, which is true of figures that `int` refuses.
    return text.isascii() and text.isdecimal() and len(text) <= 2


def _days(first: date, *, count: int, step: timedelta) -> Iterator[date]:
    for number in range(count):
        yield first + number * step
