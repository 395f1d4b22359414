"""What an operator wants to know of verified answers: which there are, and how often they would answer, and how well.

How well is told by calibration: each stored question asked of the others. How often is told by the last week's own
first questions. Does not know who reads it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from collect.store import Cursor, Store
from collect.verified.calibration import Calibration
from collect.verified.pairs import Pair, first_questions, list_pairs
from collect.verified.shelf import VerifiedShelf
from nightschool.records import BotName

WEEK: Final = timedelta(days=7)
MOST_ASKED: Final = 1_000
SERVED: Final = "select from_id, count(*) from verified_served where bot = $bot group by from_id"


@dataclass(frozen=True, slots=True)
class VerifiedReport:
    bot: BotName
    precision: float
    """The share of near answers that must be right."""
    calibration: Calibration
    asked: int
    """First questions of the last week, the newest where there are many."""
    would_answer: int
    """Of them."""
    pairs: tuple[Pair, ...]
    """Oldest word first, those out of service too."""
    served: Mapping[str, int]
    """By answer: how often."""

    @property
    def sentence(self) -> str:
        """For people: how often, and how well."""
        asked = f"Would have answered {_share(self.would_answer, self.asked)} of last week's {self.asked} questions"
        known = self.calibration
        if known.threshold is None:
            return (
                f"{asked}, the very questions alone: near ones wait until the answers to {known.least} and more stored "
                f"questions show that {self.precision:.0%} would be right. There are {known.known}."
            )
        return f"{asked}; of the {known.served} stored ones that it answers by the others, {known.wrong} wrongly."


async def report_verified(store: Store, shelf: VerifiedShelf, *, bot: BotName, now: datetime) -> VerifiedReport:
    await shelf.refresh()
    read = partial(first_questions, bot=bot, since=now - WEEK, limit=MOST_ASKED)
    asked = await store.read(read)
    found = await asyncio.to_thread(lambda: [shelf.find(bot, question) for question in asked])
    shelved = shelf.shelved(bot)
    return VerifiedReport(
        bot=bot,
        precision=shelved.precision,
        calibration=shelved.calibration,
        asked=len(asked),
        would_answer=sum(hit is not None for hit in found),
        pairs=tuple(await store.read(partial(list_pairs, bot=bot))),
        served=await store.read(partial(_count_served, bot=bot)),
    )


def _count_served(cursor: Cursor, *, bot: BotName) -> dict[str, int]:
    return dict(cursor.execute(SERVED, {"bot": bot}).fetchall())


def _share(some: int, of: int) -> str:
    return f"{some / of:.0%}" if of else "none"
