"""Where persons and near-duplicates cross, choose sides for both so that the share comes out and few are lost.

A conversation hangs between its person and its group of near-duplicates, and is lost where the two stand on different
sides. Drawing the persons and leaving each group to its majority loses nearly all that is held out, since that side is
the smaller one. So some groups are held out to begin with, and then persons and groups choose by turns: those of which
the largest part hangs on the held-out side already go there, until as many conversations as wanted are held out. A few
turns gather what hangs together. How many groups to begin with is tried out: fewer lose more of the exam, more of them
lose more of training. Does not know names, nor what is fixed and why.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STARTS: Final = (1.0, 1.5, 2.0, 3.0)
"""How much to hold out to begin with, times what is wanted."""
TURNS: Final = 10
FREE: Final = -1


class Knots(NamedTuple):
    """What the conversations of one kind hang on: persons or groups."""

    of: Ints
    """Of each conversation: which."""
    fixed: Ints
    """Of each knot: 1 held out, 0 not, FREE where it may be chosen."""
    order: NDArray[np.float64]
    """Of each knot: decides between equals."""


class Held(NamedTuple):
    """Which are held out."""

    persons: Bools
    groups: Bools


def settle_contested(persons: Knots, groups: Knots, *, wanted: float) -> Held:
    """`wanted`: how many conversations are to be held out, as near as one person's come to it."""
    if not len(persons.of):
        return Held(np.empty(0, np.bool_), np.empty(0, np.bool_))
    tried = [_settle(persons, groups, start=start * wanted, wanted=wanted) for start in STARTS]
    return min(tried, key=lambda held: _badness(held, persons, groups, wanted=wanted))


def _settle(persons: Knots, groups: Knots, *, start: float, wanted: float) -> Held:
    held_groups = _choose(groups, np.ones(len(groups.of), np.bool_), wanted=start)
    for _ in range(TURNS):
        held_persons = _choose(persons, held_groups[groups.of], wanted=wanted)
        held_groups = _choose(groups, held_persons[persons.of], wanted=wanted)
    # A group all of whose persons are held out would be lost whole.
    sizes, held = _count(groups, held_persons[persons.of])
    return Held(held_persons, held_groups | ((groups.fixed == FREE) & (held == sizes)))


def _badness(held: Held, persons: Knots, groups: Knots, *, wanted: float) -> float:
    """Conversations that are lost, or held out beyond or below what is wanted."""
    one, other = held.persons[persons.of], held.groups[groups.of]
    return float(np.count_nonzero(one != other) + 2 * abs(np.count_nonzero(one & other) - wanted))


def _choose(knots: Knots, there: Bools, *, wanted: float) -> Bools:
    """The knots to hold out; `there`: the conversations whose other knot is held out."""
    sizes, held = _count(knots, there)
    chosen: Bools = knots.fixed == 1
    left = wanted - held[chosen].sum()
    free = np.flatnonzero((knots.fixed == FREE) & (held > 0))
    row = free[np.lexsort((knots.order[free], -held[free] / sizes[free]))]
    # One that is half beyond what is wanted is nearer to it taken than left.
    chosen[row[np.cumsum(held[row]) - held[row] / 2 <= left]] = True
    return chosen


def _count(knots: Knots, there: Bools) -> tuple[Ints, Ints]:
    count = len(knots.fixed)
    return np.bincount(knots.of, minlength=count), np.bincount(knots.of[there], minlength=count)
