"""The audit: who did what to which thing, when and why. Only ever added to."""

from dataclasses import asdict
from datetime import UTC
from typing import Final

from collect.store import Cursor
from nightschool.records import BotName, Event
from nightschool.text import clean_text

ADD: Final = """
insert into events (event_id, happened_at, bot, actor, action, subject, reason)
values ($event_id, $at, $bot, $actor, $action, $subject, $reason)
on conflict do nothing
"""
LIST: Final = """
select event_id, happened_at, bot, actor, action, subject, reason
from events where $bot is null or bot = $bot
order by happened_at desc, event_id limit $limit
"""


def append_event(cursor: Cursor, *, event: Event) -> None:
    reason = clean_text(event.reason, subject="reason", param="reason")
    cursor.execute(ADD, asdict(event) | {"reason": reason})


def list_events(cursor: Cursor, *, bot: BotName | None = None, limit: int = 100) -> list[Event]:
    """Newest first."""
    rows = cursor.execute(LIST, {"bot": bot, "limit": limit}).fetchall()
    return [Event(row[0], row[1].astimezone(UTC), BotName(row[2]), *row[3:]) for row in rows]
