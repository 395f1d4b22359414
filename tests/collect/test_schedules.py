"""A schedule stands since it was first seen as it is; a change has no past, and neither has a wrong clock."""

from datetime import timedelta

from collect.schedules import stands_since
from collect.store import Cursor

from .conftest import AT, BOT

DAY = timedelta(days=1)


def test_a_schedule_stands_since_it_was_first_seen(cursor: Cursor) -> None:
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT) == AT
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT + 3 * DAY) == AT


def test_one_that_was_changed_or_switched_on_has_no_past(cursor: Cursor) -> None:
    stands_since(cursor, bot=BOT, schedule="off", at=AT)
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT + DAY) == AT + DAY
    assert stands_since(cursor, bot=BOT, schedule="0 4 * * * UTC", at=AT + 2 * DAY) == AT + 2 * DAY
    assert stands_since(cursor, bot=BOT, schedule="0 4 * * * UTC", at=AT + 3 * DAY) == AT + 2 * DAY


def test_what_a_clock_of_2031_wrote_does_not_last(cursor: Cursor) -> None:
    stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT + 1800 * DAY)
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT) == AT
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT + DAY) == AT


def test_a_bot_of_an_older_record_keeps_its_past(cursor: Cursor) -> None:
    cursor.execute("insert into bots (bot, first_seen_at) values ($bot, $at)", {"bot": BOT, "at": AT})
    assert stands_since(cursor, bot=BOT, schedule="0 3 * * * UTC", at=AT + DAY) == AT
    assert stands_since(cursor, bot=BOT, schedule="off", at=AT + 2 * DAY) == AT + 2 * DAY
