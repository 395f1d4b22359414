"""How much the record holds, for people who look at it."""

from dataclasses import dataclass
from typing import Final

from collect.store import Cursor
from nightschool.records import BotName

COUNTS: Final = """
select
    (select count(*) from conversations where bot = $bot),
    (select count(*) from messages where bot = $bot),
    (select count(*) from messages where bot = $bot and role = 'assistant' and source in ('chat', 'api', 'verified')),
    (select count(*) from feedback where bot = $bot and vote = 'up'),
    (select count(*) from feedback where bot = $bot and vote = 'down'),
    (select count(*) from reviews where bot = $bot)
"""
HELD: Final = """
select version, count(*) filter (held_json <> ''), count(*) from messages
where bot = $bot and role = 'assistant' and source in ('chat', 'api')
group by version having count(*) filter (held_json <> '') > 0
order by version nulls first
"""


@dataclass(frozen=True, slots=True)
class HeldBack:
    """What the guard stopped of one version, or of the base model (`version` None)."""

    version: int | None
    held: int
    """Answers with a sentence that states what stands nowhere, held back or marked."""
    answers: int
    """Of that version in all."""


@dataclass(frozen=True, slots=True)
class Counts:
    conversations: int
    messages: int
    answers: int
    """Made by our engine."""
    votes_up: int
    votes_down: int
    reviews: int


def count(cursor: Cursor, *, bot: BotName) -> Counts:
    row = cursor.execute(COUNTS, {"bot": bot}).fetchone()
    return Counts(*(row or (0,) * 6))


def count_held(cursor: Cursor, *, bot: BotName) -> tuple[HeldBack, ...]:
    """Versions of which anything was; the base model first."""
    return tuple(HeldBack(*row) for row in cursor.execute(HELD, {"bot": bot}).fetchall())
