"""The audit: who did what to which thing, when and why. Only ever added to.

Lines are numbered, and each holds the hash of the one before, so that none is changed, left out or moved unseen
(`collect.audit` looks). The first holds the hash of all that stood here before there was a chain. A line and the mark
of the newest one are kept in one transaction.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.store import Cursor
from nightschool.records import BotName, Event
from nightschool.text import clean_text

KNOWN: Final = "select 1 from events where event_id = $event_id"
HEAD: Final = "select number, line_hash from audit_head"
MOVE_HEAD: Final = "update audit_head set number = $number, line_hash = $line_hash"
ADD: Final = """
insert into events (event_id, happened_at, bot, actor, action, subject, reason, number, previous_hash, line_hash)
values ($event_id, $at, $bot, $actor, $action, $subject, $reason, $number, $previous_hash, $line_hash)
"""
BEFORE_THE_CHAIN: Final = """
select event_id, happened_at, bot, actor, action, subject, reason
from events where number is null order by happened_at, event_id
"""
# By number: a clock that was set back puts no line behind an older one.
LIST: Final = """
select event_id, happened_at, bot, actor, action, subject, reason
from events
where ($bot is null or bot = $bot)
    and ($actor is null or contains(lower(actor), lower($actor)))
    and ($action is null or contains(lower(action), lower($action)))
    and ($subject is null or contains(lower(subject), lower($subject)))
    and ($since is null or happened_at >= $since)
    and ($until is null or happened_at < $until)
order by number desc nulls last, happened_at desc, event_id limit $limit
"""
PRODUCTION_MOVES: Final = """
select event_id, happened_at, bot, actor, action, subject, reason
from events where bot = $bot and (action like '%->production' or action like 'production->%')
order by number desc nulls last, happened_at desc, event_id
"""
ROWS: Final = 2_000
"""So many lines are read at once."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Which lines are asked for; None asks for all. `actor`, `action` and `subject` are parts of those."""

    bot: BotName | None = None
    actor: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def append_event(cursor: Cursor, *, event: Event) -> None:
    """Add a line; one that is there already, by its id, is not added again. Raises InvalidInput for an unfit reason."""
    if cursor.execute(KNOWN, {"event_id": event.event_id}).fetchone():
        return
    reason = clean_text(event.reason, subject="reason", param="reason")
    row = asdict(event) | {"reason": reason}
    number, previous_hash = cursor.execute(HEAD).fetchall()[0]
    if number == 0:
        previous_hash = hash_of_before(cursor)
    number += 1
    line_hash = hash_line(Event(**row), number=number, previous_hash=previous_hash)
    cursor.execute(ADD, row | {"number": number, "previous_hash": previous_hash, "line_hash": line_hash})
    cursor.execute(MOVE_HEAD, {"number": number, "line_hash": line_hash})


def hash_line(event: Event, *, number: int, previous_hash: str) -> str:
    """SHA-256 of a line's JSON, its number and the hash of the one before among it."""
    return hashlib.sha256(json.dumps([number, previous_hash, *_fields(event)]).encode()).hexdigest()


def hash_of_before(cursor: Cursor) -> str:
    """SHA-256 of the lines from before there was a chain, of each the JSON, oldest first."""
    found = hashlib.sha256()
    for event in _events(cursor.execute(BEFORE_THE_CHAIN)):
        found.update(json.dumps(_fields(event)).encode() + b"\n")
    return found.hexdigest()


def list_events(cursor: Cursor, *, bot: BotName | None = None, limit: int = 100) -> list[Event]:
    """Newest first."""
    return find_events(cursor, sought=Sought(bot), limit=limit)


def find_events(cursor: Cursor, *, sought: Sought, limit: int) -> list[Event]:
    """Newest first."""
    return list(_events(cursor.execute(LIST, asdict(sought) | {"limit": limit})))


def moves_of_production(cursor: Cursor, *, bot: BotName) -> list[Event]:
    """Who came into production and who left it; newest first."""
    return list(_events(cursor.execute(PRODUCTION_MOVES, {"bot": bot})))


def read_event(row: tuple[Any, ...]) -> Event:
    """By the columns event_id, happened_at, bot, actor, action, subject, reason."""
    return Event(row[0], row[1].astimezone(UTC), BotName(row[2]), *row[3:7])


def rows_of(asked: Cursor) -> Iterator[tuple[Any, ...]]:
    """What a question found, without holding all of it."""
    while rows := asked.fetchmany(ROWS):
        yield from rows


def _events(asked: Cursor) -> Iterable[Event]:
    return map(read_event, rows_of(asked))


def _fields(event: Event) -> list[str]:
    at = event.at.astimezone(UTC).isoformat(timespec="microseconds")
    return [event.event_id, at, event.bot, event.actor, event.action, event.subject, event.reason]
