"""The audit: who did what to which thing, when and why. Only ever added to."""

from dataclasses import asdict
from datetime import UTC
from typing import Any, Final

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

PRODUCTION_MOVES: Final = """
select event_id, happened_at, bot, actor, action, subject, reason
from events where bot = $bot and (action like '%->production' or action like 'production->%')
order by happened_at desc, event_id
"""


def append_event(cursor: Cursor, *, event: Event) -> None:
    reason = clean_text(event.reason, subject="reason", param="reason")
    cursor.execute(ADD, asdict(event) | {"reason": reason})


def list_events(cursor: Cursor, *, bot: BotName | None = None, limit: int = 100) -> list[Event]:
    """Newest first."""
    return [_event(row) for row in cursor.execute(LIST, {"bot": bot, "limit": limit}).fetchall()]


def moves_of_production(cursor: Cursor, *, bot: BotName) -> list[Event]:
    """Who came into production and who left it; newest first."""
    return [_event(row) for row in cursor.execute(PRODUCTION_MOVES, {"bot": bot}).fetchall()]


def _event(row: tuple[Any, ...]) -> Event:
    return Event(row[0], row[1].astimezone(UTC), BotName(row[2]), *row[3:])
