"""Find what newcomers wrote in one another's words: many who were never seen before and suggest nearly the same text.

A planted answer comes from as many fresh browsers as somebody cares to open, to one question or to many, from one
address or from forty. What they say is heard once, from the first. A few newcomers who write alike may be a few people,
and whoever has been here for a day is none. Does not know what becomes of a suggestion.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from nightschool.independent import is_known
from nightschool.text import gist
from tune.alike import find_alike
from tune.bounds import is_person
from tune.duplicates import Forest
from tune.shingles import Shingler
from tune.snapshot import Opinion, Snapshot

MANY: Final = 5
"""So many newcomers who write alike are a crowd."""
ALIKE: Final = 0.6
"""Jaccard's measure of their words and word pairs; long numbers are one and the same."""


def find_copies(snapshot: Snapshot) -> list[Opinion]:
    """The opinions of such crowds, but for the first of each."""
    told = sorted(_newcomers(snapshot), key=lambda o: (o.voted_at, o.message_id, o.voter))
    texts = list(dict.fromkeys(gist(opinion.ideal_answer) for opinion in told))
    groups = _group(texts)
    crowds: dict[int, list[Opinion]] = defaultdict(list)
    for opinion in told:
        crowds[groups[gist(opinion.ideal_answer)]].append(opinion)
    return [opinion for crowd in crowds.values() if len({one.voter for one in crowd}) >= MANY for opinion in crowd[1:]]


def _newcomers(snapshot: Snapshot) -> Iterator[Opinion]:
    for opinions in snapshot.opinions.values():
        for opinion in opinions:
            if opinion.ideal_answer and is_person(opinion.voter):
                since = snapshot.known_since.get(opinion.voter)
                if not is_known(since=since, at=opinion.voted_at):
                    yield opinion


def _group(texts: list[str]) -> dict[str, int]:
    """Texts that are alike, or like one that is, under one number."""
    alike = find_alike(Shingler().pairs(texts, least_words=1), threshold=ALIKE)
    forest = Forest(range(len(texts)))
    for one, other in zip(alike.one.tolist(), alike.other.tolist(), strict=True):
        forest.unite(one, other, most=len(texts))
    return {text: forest.find(place) for place, text in enumerate(texts)}
