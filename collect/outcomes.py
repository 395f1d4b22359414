"""Whether conversations solved what their people came for: what they said, and what may be assumed where they did not.

The newest word of a conversation's person counts; what they ask after "solved" opens it again. An assumption is worked
out anew each time it is asked for and kept nowhere. None of it is a vote, stands in a snapshot, or is learnt from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from collect.conversations import message, not_recorded
from collect.store import Cursor
from nightschool.records import BotName

ADD: Final = """
insert into outcomes (conversation_id, message_id, bot, is_resolved, said_at)
values ($conversation_id, $message_id, $bot, $is_resolved, $said_at)
"""
NEWEST: Final = """
select message_id, is_resolved, said_at from outcomes where conversation_id = $conversation_id
order by said_at desc limit 1
"""
# Chats alone: an application that speaks over the API asks its people itself.
STANDINGS: Final = """
with spoken as (
    select conversation_id, max(created_at) as spoken_at, max(created_at) filter (role = 'user') as asked_at,
        arg_max(role, position) as last_role
    from messages where bot = $bot and source in ('chat', 'verified') group by conversation_id
),
said as (
    select conversation_id, arg_max(is_resolved, said_at) as is_resolved, max(said_at) as said_at
    from outcomes where bot = $bot group by conversation_id
),
handed_over as (select distinct conversation_id from escalations where bot = $bot and done_at is null),
standing as (
    select case
            when s.is_resolved and p.asked_at > s.said_at then 'reopened'
            when s.is_resolved then 'confirmed'
            when not s.is_resolved then 'not-resolved'
            when p.spoken_at < $assumed_before and p.last_role = 'assistant' and h.conversation_id is null
                then 'assumed'
            else 'open'
        end as state
    from spoken as p join conversations as c using (conversation_id)
    left join said as s using (conversation_id) left join handed_over as h using (conversation_id)
    where c.source = 'chat'
)
select state, count(*) from standing group by state
"""


TICK: Final = timedelta(microseconds=1)


class State(StrEnum):
    """Of a conversation."""

    CONFIRMED = "confirmed"
    """Its person said that it is solved, and asked nothing since."""
    REOPENED = "reopened"
    """They said so, and asked on."""
    NOT_RESOLVED = "not-resolved"
    """They said that it is not."""
    ASSUMED = "assumed"
    """They said nothing and have been silent for long; nobody of the team was asked for."""
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Said:
    """A person's word, as of the answer that was the last one then."""

    conversation_id: str
    message_id: str
    bot: BotName
    is_resolved: bool
    said_at: datetime


def record_outcome(cursor: Cursor, *, said: Said) -> None:
    """Keep it; the same word on the same answer is there once. Raises NotFound where the conversation has no such
    message."""
    if message(cursor, message_id=said.message_id, bot=said.bot).conversation_id != said.conversation_id:
        raise not_recorded(said.message_id)
    before = outcome_of(cursor, conversation_id=said.conversation_id, bot=said.bot)
    if before is None or (before.message_id, before.is_resolved) != (said.message_id, said.is_resolved):
        cursor.execute(
            ADD,
            {
                "conversation_id": said.conversation_id,
                "message_id": said.message_id,
                "bot": said.bot,
                "is_resolved": said.is_resolved,
                # The order in which they come is the order that counts, also where the clock was set back in between.
                "said_at": max(said.said_at, before.said_at + TICK) if before else said.said_at,
            },
        )


def outcome_of(cursor: Cursor, *, conversation_id: str, bot: BotName) -> Said | None:
    """The newest word."""
    row = cursor.execute(NEWEST, {"conversation_id": conversation_id}).fetchone()
    return Said(conversation_id, row[0], bot, row[1], row[2].astimezone(UTC)) if row else None


def count_outcomes(cursor: Cursor, *, bot: BotName, assumed_hours: float, now: datetime) -> Mapping[State, int]:
    """How many chats of the bot stand how."""
    asked = {"bot": bot, "assumed_before": now - timedelta(hours=assumed_hours)}
    found = dict(cursor.execute(STANDINGS, asked).fetchall())
    return {state: found.get(state.value, 0) for state in State}
