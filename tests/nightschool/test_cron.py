"""A cron line is understood or refused, and its slots come once a date in every zone."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest

from nightschool.cron import read_cron

TWO_YEARS = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 3 * *", "five fields"),
        ("0 3 * * * *", "five fields"),
        ("", "five fields"),
        ("61 3 * * *", "minute must be a number from 0 to 59, not '61'"),
        ("99 3 * * *", "minute"),
        ("x 3 * * *", "minute must be a number"),
        ("-1 3 * * *", "minute must be one number"),
        ("0 25 * * *", "hour must be a number from 0 to 23, not '25'"),
        ("0 3 * * sunn", "weekday knows mon to sun, not 'sunn'"),
        ("0 3 * * xyz", "weekday"),
        ("0 3 * * 0", "weekday must be a name"),
        ("0 3 * * mon/2", "weekday must be a name"),
        ("0 3 L * *", "day knows 1 to 31, not 'l'"),
        ("0 3 0 * *", "day"),
        ("0 3 32 * *", "day"),
        ("0 3 */0 * *", "step"),
        ("0 3 */ * *", "step"),
        ("0 3 , * *", "day"),
        ("0 3 5-2 * *", "runs backwards"),
        ("0 3 * 13 *", "month knows jan to dec"),
        ("0 3 * dez *", "month"),
        ("0 3 31 2 *", "never comes"),
        ("0 3 30-31 2 *", "never comes"),
        ("0 3 31 4,6,9,nov *", "never comes"),
        ("0 3,15 * * *", "hour must be one number, not '3,15': a bot goes to school once a day"),
        ("*/0 3 * * *", "minute must be one number"),
        ("* 3 * * *", "minute must be one number"),
        ("0 * * * *", "hour must be one number"),
        ("0 3 1 * mon", "a day or a weekday, not both"),
        ("\u0660 3 * * *", "minute"),
        ("0 \u00b2 * * *", "hour"),
        ("0 3 1\u00b2 * *", "day"),
    ],
)
def test_what_cannot_be_understood_or_never_comes_is_refused(line: str, expected: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_cron(line)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("line", "days"),
    [
        ("30 3 * * *", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("30 3 * * sun", [1, 8]),
        ("30 3 * * MON-WED,fri", [2, 3, 4, 6]),
        ("30 3 * * sat-mon", [1, 2, 7, 8]),
        ("30 3 */3 * *", [1, 4, 7]),
        ("30 3 2-6/2 mar *", [2, 4, 6]),
        ("30 3 5 3 *", [5]),
        ("30 3 6/2 * *", [6, 8]),
        ("30 3 * 4-6 *", []),
    ],
)
def test_which_days_a_line_names(line: str, days: list[int]) -> None:
    cron, found = read_cron(line), []
    at = datetime(2026, 3, 1, tzinfo=UTC)  # a Sunday
    while (slot := cron.next_slot(ZoneInfo("UTC"), after=at)).at < datetime(2026, 3, 9, tzinfo=UTC):
        found.append(slot.local_date.day)
        at = slot.at
    assert (cron.at, found) == (time(3, 30), days)


@pytest.mark.parametrize(
    ("cron", "at"),
    [
        ("0 3 * * *", "2026-03-29T01:00"),  # spring forward: 02:00 becomes 03:00
        ("30 2 * * *", "2026-03-29T01:30"),  # 02:30 does not exist: an hour later
        ("0 3 * * *", "2026-10-25T02:00"),  # fall back: 03:00 becomes 02:00
        ("30 2 * * *", "2026-10-25T00:30"),  # 02:30 comes twice: the first
    ],
)
def test_clock_changes_in_berlin(cron: str, at: str) -> None:
    wanted = datetime.fromisoformat(at).replace(tzinfo=UTC)
    berlin, before = ZoneInfo("Europe/Berlin"), wanted - timedelta(minutes=1)
    slot = read_cron(cron).next_slot(berlin, after=before)
    assert slot == (wanted.date(), wanted)
    assert read_cron(cron).newest_slot(berlin, after=before, until=wanted + timedelta(hours=3)) == slot
    assert read_cron(cron).next_slot(berlin, after=wanted).local_date == wanted.date() + timedelta(days=1)


def test_in_every_zone_a_date_has_one_slot_and_they_follow_one_another() -> None:
    """Around both clock changes of two years; APScheduler's `0 3 * * *` never came to an end in Europe/Helsinki."""
    changes = 0
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in clock_changes(zone):
            changes += 1
            local = change.astimezone(zone)
            for minutes in (-90, -60, -30, 0, 30):
                at = (local.replace(tzinfo=None) + timedelta(minutes=minutes)).time()
                cron = read_cron(f"{at.minute} {at.hour} * * *")
                expected = [local.date() + timedelta(days=day) for day in range(-2, 4)]
                walked = []
                slot = cron.next_slot(zone, after=change - timedelta(days=4))
                while slot.local_date <= expected[-1]:
                    walked.append(slot)
                    assert cron.newest_slot(zone, after=slot.at - timedelta(days=7), until=slot.at) == slot
                    slot = cron.next_slot(zone, after=slot.at)
                dates = [slot.local_date for slot in walked]
                assert dates[-6:] == expected, (name, at)
                assert len(set(dates)) == len(dates), (name, at)
                assert all(a.at < b.at for a, b in pairwise(walked)), (name, at)
    assert changes > 500


def clock_changes(zone: ZoneInfo) -> list[datetime]:
    """The hours of two years after which the zone's offset differs."""
    start, end = TWO_YEARS
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    found = []
    for day in days:
        if day.astimezone(zone).utcoffset() != (day + timedelta(days=1)).astimezone(zone).utcoffset():
            found += [
                hour + timedelta(hours=1)
                for hour in (day + timedelta(hours=n) for n in range(24))
                if hour.astimezone(zone).utcoffset() != (hour + timedelta(hours=1)).astimezone(zone).utcoffset()
            ]
    return found


def test_a_slot_is_dated_by_its_own_time() -> None:
    woken = datetime(2026, 3, 10, 0, 10, tzinfo=UTC)
    slot = read_cron("30 23 * * *").newest_slot(ZoneInfo("UTC"), after=woken - timedelta(days=1), until=woken)
    assert slot is not None
    assert slot.local_date == date(2026, 3, 9)


def test_the_29th_of_february_comes() -> None:
    cron = read_cron("0 3 29 2 *")
    assert cron.next_slot(ZoneInfo("UTC"), after=datetime(2096, 3, 1, tzinfo=UTC)).local_date == date(2104, 2, 29)


def test_nothing_lies_between_two_slots_nor_in_a_clock_that_ran_back() -> None:
    cron, utc, noon = read_cron("0 3 * * *"), ZoneInfo("UTC"), datetime(2026, 3, 10, 12, tzinfo=UTC)
    assert cron.newest_slot(utc, after=noon - timedelta(hours=2), until=noon) is None
    assert cron.newest_slot(utc, after=noon + timedelta(days=1800), until=noon) is None
