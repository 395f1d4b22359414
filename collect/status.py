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
