"""How often each of two versions won where people saw both side by side, for `nightschool status` and the console.

Production's side is told: of those who found one of the two better, how many found its answer better. The 95 % interval
is Wilson's, and counts a person who said much for little more than one who spoke once (Kish 1965: a sum of m words of
one person has the weight that m words all alike have). Does not know who is asked.
"""

from collections.abc import Sequence
from functools import partial
from itertools import groupby

from pydantic import BaseModel, ConfigDict

from collect.side_by_side import Tally, tally_duels
from collect.store import Store
from eval.win_rate import share_with_interval
from nightschool.bots import Bot
from nightschool.records import AdapterName, BotName
from serve.opponents import Opponents


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class DuelsView(_Part):
    """Two versions that answered the same questions."""

    production: str
    """`support@3`, as it was then."""
    other: str
    asked: int
    """How often both answers were given."""
    persons: int
    """Who said something of them."""
    production_won: int
    other_won: int
    same: int
    both_bad: int
    win_rate: float | None
    """Production's share of what was won, 0..1; null where nobody found one of the two better."""
    low: float | None
    high: float | None


class SideBySideView(_Part):
    share: float
    """Of the chat page's turns."""
    against: str
    """As the bot's file says."""
    problem: str
    """Why nobody is asked though the file wants it; empty where people are."""
    results: tuple[DuelsView, ...]


async def view_side_by_side(store: Store, opponents: Opponents, bot: Bot) -> SideBySideView:
    wanted = bot.feedback
    is_on = wanted.comparisons and wanted.side_by_side_share > 0
    return SideBySideView(
        share=wanted.side_by_side_share if wanted.comparisons else 0,
        against=str(wanted.side_by_side_with),
        problem=await opponents.problem(bot) if is_on else "",
        results=sum_up(await store.read_long(partial(tally_duels, bot=bot.bot_name)), bot=bot.bot_name),
    )


def sum_up(tallies: Sequence[Tally], *, bot: BotName) -> tuple[DuelsView, ...]:
    """For each two versions that follow each other in `tallies`."""
    return tuple(
        _sum_up(list(group), production=str(AdapterName(bot, usual)), other=str(AdapterName(bot, other)))
        for (usual, other), group in groupby(tallies, key=lambda tally: (tally.usual, tally.other))
    )


def _sum_up(tallies: Sequence[Tally], *, production: str, other: str) -> DuelsView:
    won, lost = sum(tally.usual_won for tally in tallies), sum(tally.other_won for tally in tallies)
    words = [tally.usual_won + tally.other_won for tally in tallies]
    rate = None
    if decided := won + lost:
        weight = decided**2 / sum(word**2 for word in words)
        rate = share_with_interval(won / decided * weight, weight)
    return DuelsView(
        production=production,
        other=other,
        asked=sum(tally.asked for tally in tallies),
        persons=sum(tally.voter is not None for tally in tallies),
        production_won=won,
        other_won=lost,
        same=sum(tally.same for tally in tallies),
        both_bad=sum(tally.both_bad for tally in tallies),
        win_rate=rate.value if rate else None,
        low=rate.low if rate else None,
        high=rate.high if rate else None,
    )
