"""Settle which of two answers is the better one where the record says both, and drop comparisons of like with like.

Of two preferences that contradict each other at the same place the higher rank stands; of equal rank neither does. Does
not know how a preference came about, nor whose it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

from nightschool.text import fold
from tune.places import Place


class Preference(NamedTuple):
    place: Place
    chosen: str
    rejected: str
    rank: int
    """Of whoever prefers; above 0."""


def settle(preferences: Sequence[Preference]) -> list[str]:
    """For each why it does not stand; empty where it does."""
    ranks: dict[tuple[Place, str, str], int] = {}
    directions = [(each.place, fold(each.chosen), fold(each.rejected)) for each in preferences]
    for direction, each in zip(directions, preferences, strict=True):
        ranks[direction] = max(ranks.get(direction, 0), each.rank)
    return [_why_not(place, chosen, rejected, ranks) for place, chosen, rejected in directions]


def _why_not(place: Place, chosen: str, rejected: str, ranks: dict[tuple[Place, str, str], int]) -> str:
    if chosen == rejected:
        return "pairs of equal answers"
    mine, theirs = ranks[place, chosen, rejected], ranks.get((place, rejected, chosen), 0)
    if mine > theirs:
        return ""
    return "pairs that contradict each other" if mine == theirs else "pairs against a higher word"
