"""What the nights before have spent: every verdict that compared a candidate with production, and at which alpha."""

import json
from datetime import UTC, datetime
from typing import Final, NamedTuple

from collect.store import Cursor
from nightschool.records import BotName

COMPARISONS: Final = """
select min(evaluated_at) as first_at, arg_min(figures_json, evaluated_at) from evaluations
where bot = $bot and cycle_id <> $except_cycle and outcome <> 'insufficient-data'
group by cycle_id order by first_at, cycle_id
"""


class Comparison(NamedTuple):
    at: datetime
    alpha: float | None
    """None where an older Nightschool decided."""


def comparisons(cursor: Cursor, *, bot: BotName, except_cycle: str) -> list[Comparison]:
    """Oldest first, without those of one cycle: an exam that goes on after a crash must not count itself.

    A night that tries again with less of what it learnt is one comparison: it does so only where the gain was shown,
    so that it errs no more often than its first exam (docs/gate.md).
    """
    rows = cursor.execute(COMPARISONS, {"bot": bot, "except_cycle": except_cycle}).fetchall()
    return [Comparison(at.astimezone(UTC), json.loads(figures).get("alpha")) for at, figures in rows]
