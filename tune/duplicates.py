"""Group conversations that say nearly the same, so that no question is learnt on one side and examined on the other.

Two conversations are near-duplicates where one question of each, or their whole texts, share half of their words in the
same order: Jaccard over sets of words and word pairs (questions) or word triples (texts), numbers masked. MinHash with
banding (Broder 1997; Leskovec et al., Mining of Massive Datasets, ch. 3) proposes the pairs, the exact figure
decides, so the seed of the hashes changes nothing but the rare missed pair. Does not know what is done with a group.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rensa import RMinHash, RMinHashLSH

Shingles = frozenset[str]

QUESTION_JACCARD: Final = 0.5
TEXT_JACCARD: Final = 0.5
MIN_QUESTION_WORDS: Final = 4
"""Shorter questions ("hi", "and then?") are alike without meaning the same; their whole text decides alone."""
BANDS: Final = 42
ROWS: Final = 3
"""Hashes per band: a pair of similarity .5 is proposed with probability 1 - (1 - .5^3)^42 = .996."""
SEED: Final = 20240229
WORD: Final = re.compile(r"\w+")
NUMBER: Final = re.compile(r"\d{3,}")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a conversation says."""

    questions: tuple[str, ...]
    text: str
    """Questions and answers, without the system prompt."""


def group_duplicates(spoken: Mapping[str, Spoken]) -> dict[str, str]:
    """For each conversation the first of its group, in the order of `spoken`; its own id where it has no duplicate.

    A group is a connected component of the relation "is a near-duplicate of".
    """
    leaders = {name: name for name in spoken}
    asked = _by_shingles(
        (name, _pairs(question))
        for name, said in spoken.items()
        for question in said.questions
        if _is_telling(question)
    )
    whole = _by_shingles((name, _triples(said.text)) for name, said in spoken.items())
    for texts, threshold in ((asked, QUESTION_JACCARD), (whole, TEXT_JACCARD)):
        for names in texts.values():
            _unite(leaders, names)
        for one, other in _similar(list(texts), threshold=threshold):
            _unite(leaders, (texts[one][0], texts[other][0]))
    order = {name: position for position, name in enumerate(spoken)}
    firsts: dict[str, str] = {}
    for name in sorted(spoken, key=order.__getitem__):
        firsts.setdefault(_find(leaders, name), name)
    return {name: firsts[_find(leaders, name)] for name in spoken}


def _similar(shingles: Sequence[Shingles], *, threshold: float) -> Iterator[tuple[Shingles, Shingles]]:
    if not shingles:
        return
    # Sorted, since the order of a set changes from process to process.
    hashes = RMinHash.from_token_sets([sorted(s) for s in shingles], BANDS * ROWS, SEED)
    index = RMinHashLSH(threshold, BANDS * ROWS, BANDS)
    index.insert_many(hashes)
    for position, candidates in enumerate(index.query_all(hashes)):
        for other in candidates:
            if other > position and jaccard(shingles[position], shingles[other]) >= threshold:
                yield shingles[position], shingles[other]


def jaccard(one: Shingles, other: Shingles) -> float:
    """|one & other| / |one | other|; 0..1, 0 where both are empty."""
    union = len(one | other)
    return len(one & other) / union if union else 0.0


def _by_shingles(texts: Iterable[tuple[str, Shingles]]) -> dict[Shingles, list[str]]:
    # Equal texts are compared once: a question that everybody asks would cost its count squared.
    names: dict[Shingles, list[str]] = {}
    for name, shingles in texts:
        if shingles:
            names.setdefault(shingles, []).append(name)
    return names


def _words(text: str) -> list[str]:
    return WORD.findall(NUMBER.sub("0", text.casefold()))


def _is_telling(question: str) -> bool:
    return len(_words(question)) >= MIN_QUESTION_WORDS


def _pairs(text: str) -> Shingles:
    words = _words(text)
    return frozenset([*words, *map(" ".join, itertools.pairwise(words))])


def _triples(text: str) -> Shingles:
    words = _words(text)
    if len(words) < 3:
        return frozenset([" ".join(words)] if words else [])
    return frozenset(map(" ".join, zip(words, words[1:], words[2:], strict=False)))


def _find(leaders: dict[str, str], name: str) -> str:
    while leaders[name] != name:
        leaders[name] = leaders[leaders[name]]
        name = leaders[name]
    return name


def _unite(leaders: dict[str, str], names: Sequence[str]) -> None:
    first = _find(leaders, names[0])
    for name in names[1:]:
        leaders[_find(leaders, name)] = first
