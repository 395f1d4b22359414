"""Decide which conversations are learnt from and which are kept for examination, the same way every night.

A person's conversations stand on one side, and so do near-duplicates; where the two rules disagree the conversation is
left out of both sides. What production was trained on is never examined, what an import marked as held out is never
learnt, and what an earlier night decided stays. All else is decided by hash. Does not know what was selected from a
conversation.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

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

    A group stands on the held-out side if any of it was marked so by an import, else on the training side if any was
    marked so, else where its first conversation falls by hash. `held_out_share` is 0..1; `trained_before` names the
    conversations of production's dataset.
    """
    fixed = {name: side for name in leaders if (side := _fixed_side(talks[name], trained_before))}
    groups: dict[str, list[Talk]] = {}
    for name, leader in leaders.items():
        groups.setdefault(leader, []).append(talks[name])
    sides: dict[str, Side] = {}
    for leader, members in groups.items():
        side = _side_of_group(talks[leader], members, fixed, held_out_share=held_out_share, seed=seed)
        for member in members:
            own = fixed.get(member.conversation_id) or _own_side(member, held_out_share=held_out_share, seed=seed)
            sides[member.conversation_id] = side if own in {None, side} else Side.NEITHER
    return sides


def _side_of_group(
    first: Talk, members: list[Talk], fixed: Mapping[str, Side], *, held_out_share: float, seed: int
) -> Side:
    marks = {fixed.get(member.conversation_id) for member in members}
    for side in (Side.HELD_OUT, Side.TRAIN):
        if side in marks:
            return side
    return _by_hash(_person(first) or first.conversation_id, held_out_share=held_out_share, seed=seed)


def _fixed_side(talk: Talk, trained_before: frozenset[str]) -> Side | None:
    """Where a conversation stands whatever its duplicates do."""
    if trained_before & {talk.conversation_id, *talk.calls}:
        return Side.TRAIN
    if talk.is_held_out is not None:
        return Side.HELD_OUT if talk.is_held_out else Side.TRAIN
    return Side(talk.side) if talk.side else None


def _own_side(talk: Talk, *, held_out_share: float, seed: int) -> Side | None:
    person = _person(talk)
    return _by_hash(person, held_out_share=held_out_share, seed=seed) if person else None


def _person(talk: Talk) -> str | None:
    # An API key stands for a whole application with many people behind it, so its conversations are split one by one:
    # all on one side would leave a bot that is used by API alone without training or without examination.
    return None if talk.owner == IMPORT or talk.owner.startswith(KEY_PREFIX) else talk.owner


def _by_hash(name: str, *, held_out_share: float, seed: int) -> Side:
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return Side.HELD_OUT if int.from_bytes(digest[:8]) / 2**64 < held_out_share else Side.TRAIN
