"""Decide which conversations are learnt from and which are kept for examination.

A person's conversations stand on one side, and so do near-duplicates. What hangs together by either rule is decided
together as long as it is a small part of all; where the rules then disagree, the conversation is left out of both
sides. What production was trained on is never examined, what an import marked as held out is never learnt, and what an
earlier night decided stays. All else is drawn anew, the share being that of the conversations which are new: so nothing
here says where a conversation will stand another night, and whoever calls keeps what was decided. Does not know what
was selected from a conversation.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Final

from tune.duplicates import Forest, largest_share
from tune.snapshot import Talk

IMPORT: Final = "import"
KEY_PREFIX: Final = "key:"


class Side(StrEnum):
    TRAIN = "train"
    HELD_OUT = "held-out"
    NEITHER = "neither"
    """A near-duplicate stands on the other side."""


def split_conversations(
    talks: Mapping[str, Talk],
    leaders: Mapping[str, str],
    *,
    held_out_share: float,
    seed: int,
    trained_before: frozenset[str] = frozenset(),
) -> dict[str, Side]:
    """The side of every conversation of `leaders`, which maps each to the first conversation of its duplicates' group.

    A group stands on the held-out side if any of it was put there by an import or an earlier night, else on the
    training side if any was put there, else where most of it falls. `held_out_share` is 0..1; `trained_before` names
    the conversations of production's dataset.
    """
    fixed = {name: side for name in leaders if (side := _fixed_side(talks[name], trained_before))}
    groups = _members(leaders)
    persons = _members({name: _person(talks[name]) or f"\0{name}" for name in leaders})
    settle = partial(_settle, leaders, groups, persons.values(), fixed)
    drawn: dict[str, Side] = {}
    free: list[list[str]] = []
    for members in _bundle(leaders, persons=persons.values(), groups=groups.values()):
        if marks := [fixed[name] for name in members if name in fixed]:
            drawn |= dict.fromkeys(members, _most(marks))
        else:
            free.append(members)
    # Whoever meets a near-duplicate on the other side is lost, and that is mostly to the exam, since it is the smaller
    # side. So what meets none is drawn last, and with the share that is then wanting.
    whole, contested = _part(free, leaders)
    drawn |= _draw(contested, share=held_out_share, seed=seed)
    sides = settle(drawn | {name: Side.TRAIN for members in whole for name in members})
    held_out = sum(sides[name] is Side.HELD_OUT for members in contested for name in members)
    wanting = held_out_share * sum(map(len, free)) - held_out
    share = min(max(wanting / max(sum(map(len, whole)), 1), 0.0), 1.0)
    return settle(drawn | _draw(whole, share=share, seed=seed))


def _settle(
    leaders: Mapping[str, str],
    groups: Mapping[str, Sequence[str]],
    persons: Iterable[Sequence[str]],
    fixed: Mapping[str, Side],
    drawn: Mapping[str, Side],
) -> dict[str, Side]:
    """What was drawn, bent by what is fixed of a person and of near-duplicates."""
    own: dict[str, Side] = {}
    for members in persons:
        kin = [name for leader in {leaders[name] for name in members} for name in groups[leader]]
        side = _marked(members, fixed) or _marked(kin, fixed) or drawn[members[0]]
        own |= {name: fixed.get(name, side) for name in members}
    sides: dict[str, Side] = {}
    for members in groups.values():
        side = _marked(members, fixed) or _most(own[name] for name in members)
        sides |= {name: side if own[name] is side else Side.NEITHER for name in members}
    return sides


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


def _part(bundles: Iterable[list[str]], leaders: Mapping[str, str]) -> tuple[list[list[str]], list[list[str]]]:
    """Bundles that hold all near-duplicates of theirs, and those of which some are elsewhere."""
    sizes = Counter(leaders.values())
    whole: list[list[str]] = []
    contested: list[list[str]] = []
    for members in bundles:
        inside = Counter(leaders[name] for name in members)
        (whole if all(sizes[leader] == count for leader, count in inside.items()) else contested).append(members)
    return whole, contested


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


def _marked(names: Iterable[str], fixed: Mapping[str, Side]) -> Side | None:
    """Where imports and earlier nights put these; what examines comes before what teaches."""
    marks = {fixed.get(name) for name in names}
    return next((side for side in (Side.HELD_OUT, Side.TRAIN) if side in marks), None)


def _most(sides: Iterable[Side]) -> Side:
    return Counter(sides).most_common(1)[0][0]


def _fixed_side(talk: Talk, trained_before: frozenset[str]) -> Side | None:
    """Where a conversation stands whatever its duplicates do."""
    if trained_before & {talk.conversation_id, *talk.calls}:
        return Side.TRAIN
    if talk.is_held_out is not None:
        return Side.HELD_OUT if talk.is_held_out else Side.TRAIN
    return Side(talk.side) if talk.side else None


def _person(talk: Talk) -> str | None:
    # An API key stands for a whole application with many people behind it, so its conversations are split one by one:
    # all on one side would leave a bot that is used by API alone without training or without examination.
    return None if talk.owner == IMPORT or talk.owner.startswith(KEY_PREFIX) else talk.owner


def _fraction(seed: int, *names: str) -> float:
    """0..1, the same for the same words."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
