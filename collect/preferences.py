"""Which of two answers to one question people found better: the newest word of a person on two answers counts.

Kept with how the two were shown, so that a liking for one side can be told from a liking for one answer. That somebody
asked for another answer is no word here. Does not know what is learnt of it (tune).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from collect.conversations import message, not_recorded
from collect.store import Cursor
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Choice

TICK: Final = timedelta(microseconds=1)
ADD: Final = """
insert into preferences (conversation_id, bot, older_id, newer_id, is_older_left, voter, choice, chosen_at)
values ($conversation_id, $bot, $older_id, $newer_id, $is_older_left, $voter, $choice, $chosen_at)
"""
NEWEST: Final = """
select is_older_left, choice, chosen_at from preferences
where conversation_id = $conversation_id and older_id = $older_id and newer_id = $newer_id and voter = $voter
order by chosen_at desc limit 1
"""


@dataclass(frozen=True, slots=True)
class Preferred:
    """A person's word on two answers."""

    conversation_id: str
    bot: BotName
    older_id: str
    newer_id: str
    is_older_left: bool
    voter: str
    choice: Choice
    chosen_at: datetime


def record_preference(cursor: Cursor, *, preferred: Preferred) -> None:
    """Keep it; the same word on the same two is there once. Raises NotFound and InvalidInput where they are no two
    answers to one question of that conversation."""
    names = (preferred.older_id, preferred.newer_id)
    older, newer = (message(cursor, message_id=name, bot=preferred.bot) for name in names)
    for answer in (older, newer):
        if answer.conversation_id != preferred.conversation_id:
            raise not_recorded(answer.message_id)
    if older.message_id == newer.message_id or older.parent_id != newer.parent_id or older.role != "assistant":
        raise InvalidInput("are no two answers to one question", subject="answers", remedy="Compare such.")
    given = {name: getattr(preferred, name) for name in Preferred.__slots__}
    before = cursor.execute(
        NEWEST, {name: given[name] for name in ("conversation_id", "older_id", "newer_id", "voter")}
    ).fetchone()
    if before is None or (before[0], before[1]) != (preferred.is_older_left, preferred.choice):
        # The order in which they come is the order that counts, also where the clock was set back in between.
        chosen_at = max(preferred.chosen_at, before[2].astimezone(UTC) + TICK) if before else preferred.chosen_at
        cursor.execute(ADD, given | {"choice": preferred.choice.value, "chosen_at": chosen_at})
