"""The votes of a snapshot in columns: who said it, from where, of which text, when, and what an operator ruled on that.

A text is an answer to a question, in whichever conversations it was given; a person has one voice on it, and so has an
address, however many people seem to speak from there. Does not know what is made of what the voices say.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nightschool.text import fold, is_same
from tune.bounds import is_person
from tune.places import Place, place_of
from tune.snapshot import Opinion, Ruling, Said, Snapshot

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Text = tuple[Place, str]

NOBODY: Final = -1


@dataclass(frozen=True, slots=True)
class Voices:
    """n opinions, oldest first; each column (n,)."""

    opinions: tuple[Opinion, ...]
    person: Ints
    """Which; NOBODY for an API key alone, behind which there may be any number."""
    address: Ints
    """Which; NOBODY where none is known."""
    source: Ints
    """The address, or else the person; each opinion of a key alone is a source of its own."""
    text: Ints
    sign: Ints
    """1 or -1."""
    ruled: Ints
    """What an operator said of the text: 1 or -1; 0 where nobody did."""
    at_s: Floats
    """Seconds since 1970."""

    def only(self, chosen: Bools) -> "Voices":
        return Voices(
            tuple(opinion for opinion, is_chosen in zip(self.opinions, chosen.tolist(), strict=True) if is_chosen),
            person=self.person[chosen],
            address=self.address[chosen],
            source=self.source[chosen],
            text=self.text[chosen],
            sign=self.sign[chosen],
            ruled=self.ruled[chosen],
            at_s=self.at_s[chosen],
        )


class Others(NamedTuple):
    """Of each voice what the other sources say in its group; (n,)."""

    net: Floats
    """The sum of their words."""
    heard: Ints
    """How many they are."""


def collect_voices(snapshot: Snapshot) -> Voices:
    """Every opinion on an answer that the snapshot holds."""
    heard = sorted(_heard(snapshot), key=lambda one: (one[0].voted_at, one[0].message_id, one[0].voter))
    ruled = _ruled_texts(snapshot)
    opinions = [opinion for opinion, _ in heard]
    whose = [opinion.voter if is_person(opinion.voter) else None for opinion in opinions]
    sources: list[Hashable] = [
        ("at", o.address) if o.address else ("by", o.voter, "" if person else o.message_id)
        for o, person in zip(opinions, whose, strict=True)
    ]
    return Voices(
        tuple(opinions),
        person=_number(whose),
        address=_number([opinion.address or None for opinion in opinions]),
        source=_number(sources),
        text=_number([text for _, text in heard]),
        sign=np.array([1 if opinion.vote == "up" else -1 for opinion in opinions], np.int64),
        ruled=np.array([ruled.get(text, 0) for _, text in heard], np.int64),
        at_s=np.array([opinion.voted_at.timestamp() for opinion in opinions], np.float64),
    )


def hear_others(group: Ints, source: Ints, words: Floats) -> Others:
    """`group`: which voices are about the same; a source has one word in each, the mean of its `words`."""
    seats, seat = np.unique(group * (source.max(initial=0) + 1) + source, return_inverse=True)
    own = np.bincount(seat, weights=words) / np.bincount(seat)
    group_of = np.zeros(len(seats), np.int64)
    group_of[seat] = group
    net, count = np.bincount(group_of, weights=own), np.bincount(group_of)
    return Others(net[group] - own[seat], count[group] - 1)


def _heard(snapshot: Snapshot) -> Iterator[tuple[Opinion, Text]]:
    for messages in snapshot.messages.values():
        if any(message.message_id in snapshot.opinions for message in messages):
            by_id = {message.message_id: message for message in messages}
            for message in messages:
                if message.role == "assistant" and (opinions := snapshot.opinions.get(message.message_id)):
                    text = _text(message, by_id)
                    yield from ((opinion, text) for opinion in opinions)


def _ruled_texts(snapshot: Snapshot) -> dict[Text, int]:
    """What operators said of texts, the newest word of each."""
    found: list[tuple[Ruling, Said, Mapping[str, Said]]] = []
    for messages in snapshot.messages.values() if snapshot.rulings else ():
        if ruled := [message for message in messages if message.message_id in snapshot.rulings]:
            by_id = {message.message_id: message for message in messages}
            found += [(snapshot.rulings[said.message_id], said, by_id) for said in ruled]
    found.sort(key=lambda one: (one[0].reviewed_at, one[0].message_id))
    return {_text(said, by_id): 1 if _is_good(ruling, said) else -1 for ruling, said, by_id in found}


def _is_good(ruling: Ruling, said: Said) -> bool:
    return ruling.is_approved and (not ruling.corrected_answer or is_same(ruling.corrected_answer, said.content))


def _text(said: Said, by_id: Mapping[str, Said]) -> Text:
    return place_of(said, by_id), fold(said.content)


def _number(keys: Sequence[Hashable]) -> Ints:
    """Equal keys under one number; NOBODY for None."""
    numbers: dict[Hashable, int] = {}
    return np.array([NOBODY if key is None else numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
