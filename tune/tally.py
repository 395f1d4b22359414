"""What people think of one text as the answer to one question, in whichever conversations they met it.

Liked here and disliked there, by voices of equal rank: the side with more voices stands, and where there are as many on
either side, neither does. A person has one voice for a text, its newest; an API key alone stands for many people, so it
has one for each answer. Does not know rulings, which come first.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from nightschool.owners import is_key
from nightschool.text import fold
from tune.places import Place
from tune.snapshot import Opinion, Said, Snapshot

DIGITS: Final = 4


class Tally:
    def __init__(self, snapshot: Snapshot, answers: Mapping[str, Said], places: Mapping[str, Place]) -> None:
        voices: dict[tuple[Place, str], dict[tuple[str, str], Opinion]] = {}
        cast = (opinion for name, opinions in snapshot.opinions.items() if name in answers for opinion in opinions)
        for opinion in sorted(cast, key=lambda o: (o.voted_at, o.message_id)):
            said = answers[opinion.message_id]
            of = voices.setdefault((places[opinion.message_id], fold(said.content)), {})
            of[opinion.voter, opinion.message_id if is_key(opinion.voter) else ""] = opinion
        self._nets = {text: net_of(heard.values()) for text, heard in voices.items()}

    def is_contradicted(self, place: Place, said: Said, *, net: float) -> bool:
        """Whether as many or more people think otherwise of this text than the `net` of votes on this answer says."""
        return net != 0 and self._nets[place, fold(said.content)] * net <= 0


def sign(opinion: Opinion) -> float:
    """How heavily it counts, below 0 where it is against."""
    return opinion.weight if opinion.vote == "up" else -opinion.weight


def net_of(opinions: Iterable[Opinion]) -> float:
    """What is left where those for and those against are set off."""
    return round(math.fsum(map(sign, opinions)), DIGITS)
