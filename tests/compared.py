"""How often people found which of two answers better, by the newest word of each on each two."""

from dataclasses import dataclass
from typing import Final

from collect.store import Cursor
from nightschool.records import BotName

COUNTS: Final = """
with newest as (
    select arg_max(is_older_left, chosen_at) as is_older_left, arg_max(choice, chosen_at) as choice
    from preferences where bot = $bot group by older_id, newer_id, voter
)
select count(*) filter (choice = 'same'), count(*) filter (choice = 'both-bad'),
    count(*) filter ((choice = 'left') = is_older_left and choice in ('left', 'right')),
    count(*) filter ((choice = 'left') <> is_older_left and choice in ('left', 'right')),
    count(*) filter (choice = 'left'), count(*) filter (choice = 'right')
from newest
"""


@dataclass(frozen=True, slots=True)
class PreferenceCounts:
    same: int
    both_bad: int
    older: int
    """How often the answer that was there first was the better one."""
    newer: int
    left: int
    right: int


def count_preferences(cursor: Cursor, *, bot: BotName) -> PreferenceCounts:
    [row] = cursor.execute(COUNTS, {"bot": bot}).fetchall()
    return PreferenceCounts(*row)
