"""Since when each bot's schedule stands: nights that were due before that were not missed."""

from datetime import UTC, datetime
from typing import Final

from collect.store import Cursor
from nightschool.records import BotName

KNOWN: Final = "select coalesce(schedule_since, first_seen_at), schedule from bots where bot = $bot"
ADD: Final = "insert into bots (bot, first_seen_at, schedule, schedule_since) values ($bot, $at, $schedule, $at)"
SET: Final = "update bots set schedule = $schedule, schedule_since = $since where bot = $bot"


def stands_since(cursor: Cursor, *, bot: BotName, schedule: str, at: datetime) -> datetime:
    """When this schedule was first seen; now, where it is new here or another one stood before.

    A moment that is still to come was written by a wrong clock and becomes now.
    """
    row = cursor.execute(KNOWN, {"bot": bot}).fetchone()
    if row is None:
        cursor.execute(ADD, {"bot": bot, "at": at, "schedule": schedule})
        return at
    since: datetime = row[0].astimezone(UTC)
    known: str | None = row[1]
    # None: written before schedules were kept, when a bot's stood since the bot was seen.
    if known == schedule and since <= at:
        return since
    stands = at if known not in (None, schedule) else min(since, at)
    cursor.execute(SET, {"bot": bot, "schedule": schedule, "since": stands})
    return stands
