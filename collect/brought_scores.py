"""Take in named scores that other programmes recorded: once, and in the place of an older word where they are newer.

Does not know which answer or conversation of ours a score is of (`collect.brought`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from collect.formats.talk import Measure
from collect.scores import Score, bring_scores, find_scores, key_of
from collect.store import Cursor
from nightschool.records import BotName


class Measured(NamedTuple):
    """A score of something in the record."""

    conversation_id: str
    message_id: str | None
    """None: of the conversation as a whole."""
    measure: Measure


def add_measures(cursor: Cursor, found: Sequence[Measured], *, bot: BotName, at: datetime) -> int:
    """How many are new, or dated and newer than what the same voter said, and say something else. Nothing is dated
    after `at`."""
    standing = find_scores(cursor, list({one.conversation_id for one in found}))
    new = []
    for one in found:
        given = one.measure
        said_at = min(given.said_at or at, at)
        score = Score(one.conversation_id, one.message_id, bot, given.voter, given.name, given.value, said_at)
        before = standing.get(key_of(score))
        # An undated score is as old as its import, and the same again is not newer.
        if before is None or (given.said_at and said_at > before.said_at and score.value != before.value):
            standing[key_of(score)] = score
            new.append(score)
    bring_scores(cursor, new)
    return len(new)
