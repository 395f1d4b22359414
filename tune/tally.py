"""What people think of one text as the answer to one question, in whichever conversations they met it.

Liked here and disliked there, by voices of equal rank: the side with more voices stands, and where there are as many on
either side, neither does. A person has one voice for a text, its newest; an API key alone stands for many people, so it
has one for each answer. Does not know rulings, which come first.
"""

from collections.abc import Mapping

from nightschool.owners import is_key
from nightschool.text import fold
from tune.places import Place
from tune.snapshot import Opinion, Said, Snapshot


class Tally:
    def __init__(self, snapshot: Snapshot, answers: Mapping[str, Said], places: Mapping[str, Place]) -> None:
        voices: dict[tuple[Place, str], dict[tuple[str, str], Opinion]] = {}
        cast = (opinion for name, opinions in snapshot.opinions.items() if name in answers for opinion in opinions)
        for opinion in sorted(cast, key=lambda o: (o.voted_at, o.message_id)):
            said = answers[opinion.message_id]
            of = voices.setdefault((places[opinion.message_id], fold(said.content)), {})
            of[opinion.voter, opinion.message_id if is_key(opinion.voter) else ""] = opinion
        self._nets = {text: sum(map(sign, heard.values())) for text, heard in voices.items()}

    def is_contradicted(self, place: Place, said: Said, *, net: int) -> bool:
        """Whether as many or more people think otherwise of this text than the `net` of votes on this answer says."""
        return net != 0 and self._nets[place, fold(said.content)] * net <= 0


def sign(opinion: Opinion) -> int:
    return 1 if opinion.vote == "up" else -1
