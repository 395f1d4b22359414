"""Decide which conversations are learnt from and which are kept for examination.

A person's conversations stand on one side, and so do near-duplicates. What hangs together by either rule is decided
together as long as it is a small part of all; where the rules then disagree, the conversation is left out of both
sides (`tune.contested` sees that these are few and the share comes out). What production was trained on is never
examined, nor is what nearly repeats it; what an import marked as held out is never learnt, and what an earlier night
decided stays. All else is drawn anew, the share being that of the conversations which are new: so nothing here says
where a conversation will stand another night, and whoever calls keeps what was decided. Does not know what was selected
from a conversation.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, Self

import numpy as np

from nightschool.owners import is_key
from tune.contested import FREE, Knots, settle_contested
from tune.duplicates import Forest, largest_share
from tune.snapshot import Talk

IMPORT: Final = "import"


class Side(StrEnum):
    TRAIN = "train"
    HELD_OUT = "held-out"
    NEITHER = "neither"
    """A near-duplicate stands on the other side."""


class _Chosen(NamedTuple):
    persons: Mapping[str, Side]
    groups: Mapping[str, Side]


@dataclass(frozen=True, slots=True)
class _Ties:
    """What hangs together, and what is fixed of it."""

    person_of: Mapping[str, str]
    group_of: Mapping[str, str]
    persons: Mapping[str, list[str]]
    groups: Mapping[str, list[str]]
    fixed: Mapping[str, Side]
    """Conversations."""
    fixed_groups: Mapping[str, Side]
    fixed_persons: Mapping[str, Side]
    """By their own conversations, else by near-duplicates of those."""

    @classmethod
    def of(
        cls,
        person_of: Mapping[str, str],
        group_of: Mapping[str, str],
        fixed: Mapping[str, Side],
        *,
        live: Collection[str],
    ) -> Self:
        """`live`: what production was trained on. Nor is what is nearly the same examined."""
        persons, groups = _members(person_of), _members(group_of)
        fixed_groups = {group: side for group, own in groups.items() if (side := _first_mark(map(fixed.get, own)))}
        fixed_groups |= {group_of[name]: Side.TRAIN for name in live}
        fixed_persons: dict[str, Side] = {}
        for person, own in persons.items():
            kin = (fixed_groups.get(group_of[name]) for name in own)
            if side := _first_mark(map(fixed.get, own)) or _first_mark(kin):
                fixed_persons[person] = side
        return cls(person_of, group_of, persons, groups, fixed, fixed_groups, fixed_persons)

    def settle(self, drawn: Mapping[str, Side], chosen: Mapping[str, Side]) -> dict[str, Side]:
        """What was drawn of persons and `chosen` of groups, bent by what is fixed; a group else follows most of it."""
        own: dict[str, Side] = {}
        for person, members in self.persons.items():
            side = self.fixed_persons.get(person) or drawn[members[0]]
            own |= {name: self.fixed.get(name, side) for name in members}
        sides: dict[str, Side] = {}
        for group, members in self.groups.items():
            side = self.fixed_groups.get(group) or chosen.get(group) or _most(own[name] for name in members)
            sides |= {name: side if own[name] is side else Side.NEITHER for name in members}
        return sides


def split_conversations(
    talks: Mapping[str, Talk],
    leaders: Mapping[str, str],
    *,
    held_out_share: float,
    seed: int,
    trained_before: frozenset[str] = frozenset(),
) -> dict[str, Side]:
    """The side of every conversation of `leaders`, which maps each to the first conversation of its duplicates' group.

    A group stands on the training side if production was trained on any of it, else on the held-out side if any of it
    was put there by an import or an earlier night, else on the training side if any was put there, else where it is
    needed. `held_out_share` is 0..1; `trained_before` names the conversations of production's dataset.
    """
    live = {name for name in leaders if trained_before & {name, *talks[name].calls}}
    fixed = {name: side for name in leaders if (side := _fixed_side(talks[name], is_live=name in live))}
    person_of = {name: _person(talks[name]) or f"\0{name}" for name in leaders}
    ties = _Ties.of(person_of, leaders, fixed, live=live)
    drawn: dict[str, Side] = {}
    free: list[list[str]] = []
    for members in _bundle(leaders, persons=ties.persons.values(), groups=ties.groups.values()):
        if marks := [fixed[name] for name in members if name in fixed]:
            drawn |= dict.fromkeys(members, _most(marks))
        else:
            free.append(members)
    # What crosses comes first; what meets no near-duplicate elsewhere is drawn with the share that is then wanting.
    whole, contested = _part(free, leaders)
    chosen = _choose(ties, contested, share=held_out_share, seed=seed)
    drawn |= {name: chosen.persons[person_of[name]] for name in contested}
    sides = ties.settle(drawn | {name: Side.TRAIN for members in whole for name in members}, chosen.groups)
    held_out = sum(sides[name] is Side.HELD_OUT for name in contested)
    wanting = held_out_share * sum(map(len, free)) - held_out
    share = min(max(wanting / max(sum(map(len, whole)), 1), 0.0), 1.0)
    return ties.settle(drawn | _draw(whole, share=share, seed=seed), chosen.groups)


def _choose(ties: _Ties, names: Sequence[str], *, share: float, seed: int) -> _Chosen:
    """Sides of the persons and groups of contested conversations."""

    def knots(of: Mapping[str, str], places: Mapping[str, int], fixed: Iterable[Side | None]) -> Knots:
        marks = [FREE if side is None else int(side is Side.HELD_OUT) for side in fixed]
        return Knots(
            of=np.array([places[of[name]] for name in names], np.int64),
            fixed=np.array(marks, np.int64),
            order=np.array([_fraction(seed, place) for place in places]),
        )

    persons, groups = (_number(of[name] for name in names) for of in (ties.person_of, ties.group_of))
    held = settle_contested(
        knots(ties.person_of, persons, map(ties.fixed_persons.get, persons)),
        knots(ties.group_of, groups, map(ties.fixed_groups.get, groups)),
        wanted=share * len(names),
    )
    return _Chosen(_sides(persons, held.persons.tolist()), _sides(groups, held.groups.tolist()))


def _number(names: Iterable[str]) -> dict[str, int]:
    """Each once, in order, with its place."""
    return {name: place for place, name in enumerate(dict.fromkeys(names))}


def _sides(names: Iterable[str], held: Iterable[bool]) -> dict[str, Side]:
    return {name: Side.HELD_OUT if is_held else Side.TRAIN for name, is_held in zip(names, held, strict=True)}


def _members(leaders: Mapping[str, str]) -> dict[str, list[str]]:
    members: dict[str, list[str]] = {}
    for name, leader in leaders.items():
        members.setdefault(leader, []).append(name)
    return members


def _bundle(names: Iterable[str], *, persons: Iterable[list[str]], groups: Iterable[list[str]]) -> list[list[str]]:
    """What is decided together: a person's conversations, and with them as many near-duplicates as may be."""
    forest = Forest(names)
    for members in persons:
        for name in members[1:]:
            forest.unite(members[0], name, most=len(forest))
    for members in sorted(groups, key=len):
        for name in members[1:]:
            forest.unite(members[0], name, most=max(largest_share(len(forest)), len(members)))
    return list(_members({name: forest.find(name) for name in forest}).values())


class _Parted(NamedTuple):
    whole: list[list[str]]
    """Bundles that hold all near-duplicates of theirs."""
    contested: list[str]
    """Conversations of bundles whose near-duplicates are partly elsewhere."""


def _part(bundles: Iterable[list[str]], leaders: Mapping[str, str]) -> _Parted:
    sizes = Counter(leaders.values())
    parted = _Parted([], [])
    for members in bundles:
        inside = Counter(leaders[name] for name in members)
        if all(sizes[leader] == count for leader, count in inside.items()):
            parted.whole.append(members)
        else:
            parted.contested.extend(members)
    return parted


def _draw(bundles: Sequence[Sequence[str]], *, share: float, seed: int) -> dict[str, Side]:
    """A side for every conversation, each bundle being held out with the same probability.

    Systematic sampling: bundles stand in a row, largest first and of one size by hash, and every 1/share-th is taken
    from a start by hash. So the share of conversations comes out within about one bundle, however unlike their sizes.
    """
    sides: dict[str, Side] = {}
    row = sorted(bundles, key=lambda members: (-len(members), _fraction(seed, members[0])))
    start = _fraction(seed, "start", row[0][0]) if row else 0.0
    for place, members in enumerate(row):
        is_taken = int(start + share * (place + 1)) > int(start + share * place)
        sides |= dict.fromkeys(members, Side.HELD_OUT if is_taken else Side.TRAIN)
    return sides


def _first_mark(sides: Iterable[Side | None]) -> Side | None:
    """What examines comes before what teaches."""
    marks = set(sides)
    return next((side for side in (Side.HELD_OUT, Side.TRAIN) if side in marks), None)


def _most(sides: Iterable[Side]) -> Side:
    return Counter(sides).most_common(1)[0][0]


def _fixed_side(talk: Talk, *, is_live: bool) -> Side | None:
    """Where a conversation stands whatever its duplicates do; `is_live`: production was trained on it."""
    if is_live:
        return Side.TRAIN
    if talk.is_held_out is not None:
        return Side.HELD_OUT if talk.is_held_out else Side.TRAIN
    return Side(talk.side) if talk.side else None


def _person(talk: Talk) -> str | None:
    # An API key stands for a whole application with many people behind it, so its conversations are split one by one:
    # all on one side would leave a bot that is used by API alone without training or without examination.
    return None if talk.owner == IMPORT or is_key(talk.owner) else talk.owner


def _fraction(seed: int, *names: str) -> float:
    """0..1, the same for the same words."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
