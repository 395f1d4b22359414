"""Keep what next turns give away beside the answers they are about, each turn looked at once.

Turns are found by their place in the record, a span at a time, so that a new one costs no look at the old ones, and a
record that was there before, or came back from an export, is gone through at leisure. Looking and finding happens in a
reader; the writer only keeps. What an API's caller sent along as history is not ours and carries no signal.
"""

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from collect.signals.detect import DEEDS, RULES, Kind, NextTurn, Signal, find_signals
from collect.signals.phrases import Phrases, read_phrases
from collect.store import Cursor, Store
from nightschool.errors import NightschoolError

log = logging.getLogger(__name__)

SPAN: Final = 4_000
"""Places of the record that are looked at together: some 0.1 s of work."""
PAUSE_S: Final = 5.0

MARK: Final = "select position from signal_marks where rules = $rules"
# From the mark on, so that nothing before it is read: imported messages count their own places, which are lower.
NEWEST: Final = """
select coalesce(max(position), 0) from messages where position > $after and source in ('chat', 'api')
"""
# The few turns of the span first, then what they are about: a join of whole tables reads every text there is.
TURNS: Final = """
with next_turns as (
    select message_id, bot, parent_id, content, created_at from messages
    where position > $after and position <= $up_to and role = 'user' and source in ('chat', 'api')
        and parent_id is not null
),
answers as (
    select message_id, parent_id, content from messages
    where message_id in (select parent_id from next_turns) and role = 'assistant'
        and source in ('chat', 'api', 'verified') and finish is distinct from 'error' and content <> ''
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select n.message_id, n.bot, n.created_at, a.message_id, q.content, a.content, n.content
from next_turns as n
join answers as a on a.message_id = n.parent_id
join questions as q on q.message_id = a.parent_id
"""
# What is weighed or done, and what somebody asked for by a button, was not found in words: it would not be found anew.
FORGET: Final = """
delete from signals
where not list_contains($unsaid, kind) and follow_up_id not in (select escalation_id from escalations)
"""
FORGET_MARKS: Final = "delete from signal_marks where rules <> $rules"
ADD: Final = """
insert into signals (follow_up_id, kind, message_id, bot, evidence, strength, said_at)
select unnest($follow_up_id::text[]), unnest($kind::text[]), unnest($message_id::text[]), unnest($bot::text[]),
    unnest($evidence::text[]), unnest($strength::double[]), unnest($said_at::timestamptz[])
on conflict do nothing
"""
KEEP_MARK: Final = """
insert into signal_marks (rules, position) values ($rules, $position)
on conflict (rules) do update set position = greatest(position, excluded.position)
"""


class FoundSignal(NamedTuple):
    follow_up_id: str
    message_id: str
    """The answer that it is about."""
    bot: str
    said_at: datetime
    signal: Signal


class Span(NamedTuple):
    """A part of the record, and what was found in it."""

    after: int
    up_to: int
    newest: int
    """Place of the last turn that there was."""
    found: tuple[FoundSignal, ...]


async def listen(store: Store, *, pause_s: float = PAUSE_S) -> None:
    """Until cancelled: look at every turn, soon after it was taken."""
    phrases = await asyncio.to_thread(read_phrases)
    while True:
        try:
            await catch_up(store, phrases=phrases)
        except NightschoolError as error:
            log.warning("turns are not looked through for signals now: %s", error)
        except Exception:
            log.exception("turns are not looked through for signals now")
        await asyncio.sleep(pause_s)


async def catch_up(store: Store, *, phrases: Phrases) -> None:
    """Look at all turns that nobody looked at yet."""
    while (span := await store.read(partial(look_at_span, phrases=phrases))) is not None:
        await store.write(partial(keep_span, span=span))


def look_at_span(cursor: Cursor, *, phrases: Phrases, span: int = SPAN) -> Span | None:
    """The next part of the record; None where there is none left."""
    mark = cursor.execute(MARK, {"rules": RULES}).fetchone()
    after = mark[0] if mark else 0
    [(newest,)] = cursor.execute(NEWEST, {"after": after}).fetchall()
    if after >= newest:
        return None
    up_to = min(after + span, newest)
    rows = cursor.execute(TURNS, {"after": after, "up_to": up_to}).fetchall()
    found = [
        FoundSignal(follow_up_id, message_id, bot, said_at, signal)
        for follow_up_id, bot, said_at, message_id, question, answer, follow_up in rows
        for signal in find_signals(NextTurn(question, answer, follow_up), phrases=phrases)
    ]
    return Span(after, up_to, newest, tuple(found))


def keep_span(cursor: Cursor, *, span: Span) -> None:
    """Keeping it twice is keeping it once. What former rules found goes with the first one kept."""
    if cursor.execute(MARK, {"rules": RULES}).fetchone() is None:
        cursor.execute(FORGET, {"unsaid": [Kind.DOUBT, *DEEDS]})
        cursor.execute(FORGET_MARKS, {"rules": RULES})
    keep_signals(cursor, span.found)
    cursor.execute(KEEP_MARK, {"rules": RULES, "position": span.up_to})


def keep_signals(cursor: Cursor, found: Sequence[FoundSignal]) -> None:
    if found:
        cursor.execute(
            ADD,
            {
                "follow_up_id": [one.follow_up_id for one in found],
                "kind": [one.signal.kind.value for one in found],
                "message_id": [one.message_id for one in found],
                "bot": [one.bot for one in found],
                "evidence": [one.signal.evidence for one in found],
                "strength": [one.signal.strength for one in found],
                "said_at": [one.said_at for one in found],
            },
        )
