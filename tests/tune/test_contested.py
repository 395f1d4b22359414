"""Persons and groups that cross: the share comes out, and no more is lost than must be."""

import numpy as np
import pytest

from tune.contested import FREE, Held, Knots, settle_contested


def knots(*of: int, fixed: dict[int, int] | None = None) -> Knots:
    count = max(of) + 1
    marks = [(fixed or {}).get(place, FREE) for place in range(count)]
    return Knots(np.array(of), np.array(marks), np.linspace(0, 1, count))


def held_and_lost(held: Held, persons: Knots, groups: Knots) -> tuple[int, int]:
    one, other = held.persons[persons.of], held.groups[groups.of]
    return int((one & other).sum()), int((one != other).sum())


def test_what_hangs_together_is_held_out_whole() -> None:
    persons, groups = knots(0, 0, 1, 1, 2, 2, 3, 3), knots(0, 1, 0, 1, 2, 3, 2, 3)
    held = settle_contested(persons, groups, wanted=4)
    assert held_and_lost(held, persons, groups) == (4, 0)


@pytest.mark.parametrize("fixed", [0, 1])
def test_what_is_fixed_stays(fixed: int) -> None:
    persons = knots(0, 0, 1, 1, fixed={1: fixed})
    groups = knots(0, 1, 0, 1, fixed={0: 1 - fixed})
    held = settle_contested(persons, groups, wanted=2)
    assert (held.persons[1], held.groups[0]) == (bool(fixed), not fixed)


def test_nothing_contested_and_nothing_wanted() -> None:
    none = Knots(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    assert not len(settle_contested(none, none, wanted=0).persons)
    persons, groups = knots(0, 0, 1), knots(0, 1, 1)
    assert held_and_lost(settle_contested(persons, groups, wanted=0), persons, groups) == (0, 0)
