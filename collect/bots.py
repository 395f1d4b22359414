"""Since when the record knows a bot: nights that were due before that were not missed."""

from datetime import UTC, datetime
from typing import Final

from collect.store import Cursor
from nightschool.errors import RecordError
from nightschool.records import BotName

SEE: Final = "insert into bots (bot, first_seen_at) values ($bot, $at) on conflict do nothing"
FIRST_SEEN: Final = "select first_seen_at from bots where bot = $bot"


def see_bot(cursor: Cursor, *, bot: BotName, at: datetime) -> datetime:
    """When the bot was first seen; now, where it never was."""
    cursor.execute(SEE, {"bot": bot, "at": at})
    row = cursor.execute(FIRST_SEEN, {"bot": bot}).fetchone()
    if row is None:
        raise RecordError("was not kept", subject=bot, remedy="Look into the disk's health.")
    first_seen_at: datetime = row[0]
    return first_seen_at.astimezone(UTC)
