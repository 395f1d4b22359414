"""What the nights before have spent: every verdict that compared a candidate with production, and at which alpha."""

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

from collect.store import Cursor
from nightschool.records import BotName

COMPARISONS: Final = """
select evaluated_at, figures_json from evaluations
where bot = $bot and cycle_id <> $except_cycle and outcome <> 'insufficient-data'
order by evaluated_at, evaluation_id
"""


class Comparison(NamedTuple):
    at: datetime
    alpha: float | None
    """None where an older Nightschool decided."""


def comparisons(cursor: Cursor, *, bot: BotName, except_cycle: str) -> list[Comparison]:
    """Oldest first, without those of one cycle: an exam that goes on after a crash must not count itself."""
    rows = cursor.execute(COMPARISONS, {"bot": bot, "except_cycle": except_cycle}).fetchall()
    return [Comparison(at.astimezone(UTC), json.loads(figures).get("alpha")) for at, figures in rows]
