"""Decide which conversations are learnt from and which are kept for examination, the same way every night.

A person's conversations stand on one side, and so do near-duplicates; where the two rules disagree the conversation is
left out of both sides. What an import marked as held out is never learnt. All else is decided by hash, so that a
conversation keeps its side as the record grows. Does not know what was selected from a conversation.
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
    talks: Mapping[str, Talk], leaders: Mapping[str, str], *, held_out_share: float, seed: int
) -> dict[str, Side]:
    """The side of every conversation of `leaders`, which maps each to the first conversation of its duplicates' group.

    A group stands on the held-out side if any of it was marked so by an import, else on the training side if any was
    marked so, else where its first conversation falls by hash. `held_out_share` is 0..1.
    """
    groups: dict[str, list[Talk]] = {}
    for name, leader in leaders.items():
        groups.setdefault(leader, []).append(talks[name])
    sides: dict[str, Side] = {}
    for leader, members in groups.items():
        side = _side_of_group(talks[leader], members, held_out_share=held_out_share, seed=seed)
        for member in members:
            own = _own_side(member, held_out_share=held_out_share, seed=seed)
            sides[member.conversation_id] = side if own in {None, side} else Side.NEITHER
    return sides


def _side_of_group(first: Talk, members: list[Talk], *, held_out_share: float, seed: int) -> Side:
    marks = {member.is_held_out for member in members}
    if True in marks:
        return Side.HELD_OUT
    if False in marks:
        return Side.TRAIN
    return _by_hash(_person(first) or first.conversation_id, held_out_share=held_out_share, seed=seed)


def _own_side(talk: Talk, *, held_out_share: float, seed: int) -> Side | None:
    """Where a conversation must stand whatever its duplicates do; None where it may follow them."""
    if talk.is_held_out is not None:
        return Side.HELD_OUT if talk.is_held_out else Side.TRAIN
    person = _person(talk)
    return _by_hash(person, held_out_share=held_out_share, seed=seed) if person else None


def _person(talk: Talk) -> str | None:
    # An API key stands for a whole application with many people behind it, so its conversations are split one by one:
    # all on one side would leave a bot that is used by API alone without training or without examination.
    return None if talk.owner == IMPORT or talk.owner.startswith(KEY_PREFIX) else talk.owner


def _by_hash(name: str, *, held_out_share: float, seed: int) -> Side:
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return Side.HELD_OUT if int.from_bytes(digest[:8]) / 2**64 < held_out_share else Side.TRAIN
