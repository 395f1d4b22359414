"""Group conversations that say nearly the same, so that no question is learnt on one side and examined on the other.

Two conversations are near-duplicates where their whole texts, or the question that opens one and any of the other,
share half of their words in the same order: Jaccard over sets of words and word pairs (questions) or word triples
(texts), numbers masked. Two later questions tie nothing, since what they mean hangs on what was said before. Scripts
that write no blanks (Chinese, Japanese, Thai and the like) are read by characters. MinHash with banding (Broder 1997;
Leskovec et al., Mining of Massive Datasets, ch. 3) proposes the pairs, the exact figure decides.

A question that many conversations hold, in these words or alike, ties none of them: their texts alone may. Ties are
drawn from the most alike down, and none makes a group larger than a bound, so that one conversation that asks
everything, or a chain of half-alike ones, does not tie all to all; what is alike across such a cut is not kept apart.
Only whole texts that nearly repeat may make a larger group. Does not find one question asked in quite other words, nor
what is done with a group.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from rensa import RMinHash, RMinHashLSH

Shingles = frozenset[str]

QUESTION_JACCARD: Final = 0.5
TEXT_JACCARD: Final = 0.5
REPEATED: Final = 0.8
"""From here on one text repeats the other."""
MIN_QUESTION_WORDS: Final = 4
"""Shorter questions ("hi", "and then?") are alike without meaning the same; their whole text decides alone."""
BANDS: Final = 42
ROWS: Final = 3
"""Hashes per band: a pair of similarity .5 is proposed with probability 1 - (1 - .5^3)^42 = .996."""
SEED: Final = 20240229
FEW: Final = 5
"""So many conversations are never too many: a share of a small record would be none."""
MANY_SHARE: Final = 0.01
"""A question that more conversations than this ask alike is a habit or a starter, and ties none of them."""
GROUP_SHARE: Final = 0.02
"""Largest group that half-alike texts and questions may make, and the most conversations that are decided together."""
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


@dataclass(slots=True)
class _Asked:
    """Who asks a question, oldest first."""

    names: dict[str, None] = field(default_factory=dict)
    opens: str | None = None
    """The first conversation that begins with it."""


def group_duplicates(spoken: Mapping[str, Spoken]) -> dict[str, str]:
    """For each conversation the first of its group, in the order of `spoken`; its own id where it has no duplicate."""
    forest = Forest(spoken)
    texts = list(_ties_of_texts(spoken))
    for tie in texts:
        if tie.likeness >= REPEATED:
            forest.unite(tie.one, tie.other, most=len(spoken))
    most = largest_share(len(spoken))
    for tie in sorted([*texts, *_ties_of_questions(spoken)], key=lambda tie: -tie.likeness):
        forest.unite(tie.one, tie.other, most=most)
    firsts: dict[str, str] = {}
    for name in spoken:
        firsts.setdefault(forest.find(name), name)
    return {name: firsts[forest.find(name)] for name in spoken}


def largest_share(conversations: int) -> int:
    """How many of so many conversations may hang together by likeness alone."""
    return max(FEW, round(GROUP_SHARE * conversations))


def _ties_of_texts(spoken: Mapping[str, Spoken]) -> Iterator[_Tie]:
    # Equal texts are compared once: one that everybody says would cost its count squared.
    texts: dict[Shingles, list[str]] = {}
    for name, said in spoken.items():
        if triples := _triples(said.text):
            texts.setdefault(triples, []).append(name)
    for names in texts.values():
        yield from (_Tie(1.0, names[0], other) for other in names[1:])
    for one, other in _similar(list(texts), threshold=TEXT_JACCARD):
        yield _Tie(jaccard(one, other), texts[one][0], texts[other][0])


def _ties_of_questions(spoken: Mapping[str, Spoken]) -> Iterator[_Tie]:
    asked = _questions(spoken)
    alike = list(_similar(list(asked), threshold=QUESTION_JACCARD))
    rare = _rare(asked, alike, many=max(FEW, round(MANY_SHARE * len(spoken))))
    for shingles in asked:
        opens = asked[shingles].opens
        if shingles in rare and opens:
            yield from (_Tie(1.0, opens, other) for other in asked[shingles].names if other != opens)
    for one, other in alike:
        if one in rare and other in rare:
            for opening, any_place in ((asked[one], asked[other]), (asked[other], asked[one])):
                if opening.opens:
                    yield _Tie(jaccard(one, other), opening.opens, next(iter(any_place.names)))


def _questions(spoken: Mapping[str, Spoken]) -> dict[Shingles, _Asked]:
    asked: dict[Shingles, _Asked] = {}
    for name, said in spoken.items():
        for place, question in enumerate(dict.fromkeys(said.questions)):
            if _is_telling(question):
                found = asked.setdefault(_pairs(question), _Asked())
                found.names[name] = None
                if place == 0 and found.opens is None:
                    found.opens = name
    return asked


def _rare(asked: Mapping[Shingles, _Asked], alike: Iterable[tuple[Shingles, Shingles]], *, many: int) -> set[Shingles]:
    """Questions that no more than `many` conversations ask, in these words or alike."""
    askers = {shingles: set(itertools.islice(found.names, many + 1)) for shingles, found in asked.items()}
    for one, other in alike:
        for mine, theirs in ((one, other), (other, one)):
            if len(askers[mine]) <= many:
                askers[mine].update(itertools.islice(asked[theirs].names, many + 1))
    return {shingles for shingles, names in askers.items() if len(names) <= many}


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


class Forest:
    """Groups that grow together, and how large each is."""

    def __init__(self, names: Iterable[str]) -> None:
        self._leaders = {name: name for name in names}
        self._sizes = dict.fromkeys(self._leaders, 1)

    def __len__(self) -> int:
        return len(self._leaders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._leaders)

    def find(self, name: str) -> str:
        leaders = self._leaders
        while leaders[name] != name:
            leaders[name] = leaders[leaders[name]]
            name = leaders[name]
        return name

    def unite(self, one: str, other: str, *, most: int) -> None:
        """Make one group of two, unless it would hold more than `most` names."""
        one, other = self.find(one), self.find(other)
        if one != other and self._sizes[one] + self._sizes[other] <= most:
            self._leaders[other] = one
            self._sizes[one] += self._sizes[other]
