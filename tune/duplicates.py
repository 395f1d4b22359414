"""Group conversations that say nearly the same, so that no question is learnt on one side and examined on the other.

Two conversations are near-duplicates where one question of each, or their whole texts, share half of their words in the
same order: Jaccard over sets of words and word pairs (questions) or word triples (texts), numbers masked. Scripts that
write no blanks (Chinese, Japanese, Thai and the like) are read by characters. MinHash with banding (Broder 1997;
Leskovec et al., Mining of Massive Datasets, ch. 3) proposes the pairs, the exact figure decides.

A question that many conversations hold ties none of them: their texts alone may. Ties through questions are drawn from
the most alike down, and none makes a group larger than a bound, so that one conversation that asks everything, or a
chain of half-alike questions, does not tie all to all; what is alike across such a cut is not kept apart. Only whole
texts that repeat may make a larger group. Does not find one question asked in quite other words, nor what is done with
a group.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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
FEW: Final = 5
"""So many conversations are never too many: a share of a small record would be none."""
MANY_SHARE: Final = 0.01
"""A question that more conversations than this hold is a habit or a starter, and ties none of them."""
GROUP_SHARE: Final = 0.02
"""Largest group that likeness of questions may make."""
UNSPACED: Final = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
WORD: Final = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
NUMBER: Final = re.compile(r"\d{3,}")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a conversation says."""

    questions: tuple[str, ...]
    text: str
    """Questions and answers, without the system prompt."""


class _Tie(NamedTuple):
    likeness: float
    one: str
    other: str


def group_duplicates(spoken: Mapping[str, Spoken]) -> dict[str, str]:
    """For each conversation the first of its group, in the order of `spoken`; its own id where it has no duplicate."""
    forest = _Forest(spoken)
    for tie in _ties(_by_shingles((name, _triples(said.text)) for name, said in spoken.items()), TEXT_JACCARD):
        forest.unite(tie, most=len(spoken))
    asked = _by_shingles(
        (name, _pairs(question))
        for name, said in spoken.items()
        for question in dict.fromkeys(said.questions)
        if _is_telling(question)
    )
    many = max(FEW, round(MANY_SHARE * len(spoken)))
    rare = {shingles: names for shingles, names in asked.items() if len(set(names)) <= many}
    most = max(FEW, round(GROUP_SHARE * len(spoken)))
    for tie in sorted(_ties(rare, QUESTION_JACCARD), key=lambda tie: -tie.likeness):
        forest.unite(tie, most=most)
    firsts: dict[str, str] = {}
    for name in spoken:
        firsts.setdefault(forest.find(name), name)
    return {name: firsts[forest.find(name)] for name in spoken}


def _ties(texts: Mapping[Shingles, Sequence[str]], threshold: float) -> Iterator[_Tie]:
    for names in texts.values():
        yield from (_Tie(1.0, names[0], other) for other in names[1:])
    for one, other in _similar(list(texts), threshold=threshold):
        yield _Tie(jaccard(one, other), texts[one][0], texts[other][0])


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
    return WORD.findall(NUMBER.sub("0", unicodedata.normalize("NFKC", text).casefold()))


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


class _Forest:
    """Groups that grow together, and how large each is."""

    def __init__(self, names: Iterable[str]) -> None:
        self._leaders = {name: name for name in names}
        self._sizes = dict.fromkeys(self._leaders, 1)

    def find(self, name: str) -> str:
        leaders = self._leaders
        while leaders[name] != name:
            leaders[name] = leaders[leaders[name]]
            name = leaders[name]
        return name

    def unite(self, tie: _Tie, *, most: int) -> None:
        """Make one group of two, unless it would hold more than `most` conversations."""
        one, other = self.find(tie.one), self.find(tie.other)
        if one != other and self._sizes[one] + self._sizes[other] <= most:
            self._leaders[other] = one
            self._sizes[one] += self._sizes[other]
