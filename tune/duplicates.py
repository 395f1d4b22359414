"""Group conversations that say nearly the same, so that no question is learnt on one side and examined on the other.

Two conversations are near-duplicates where their whole texts, or the question that opens one and any of the other,
share half of their words in the same order: Jaccard over sets of words and word pairs (questions) or word triples
(texts), numbers masked (`tune.shingles`, `tune.alike`). Two later questions tie nothing, since what they mean hangs on
what was said before.

A question that many conversations hold, in these words or alike, ties none of them: their texts alone may. Ties are
drawn from the most alike down, and none makes a group larger than a bound, so that one conversation that asks
everything, or a chain of half-alike ones, does not tie all to all; what is alike across such a cut is not kept apart.
Only whole texts that nearly repeat may make a larger group. Does not find one question asked in quite other words, nor
what is done with a group.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tune.alike import Alike, find_alike
from tune.shingles import Ints, Sets, Shingler, distinct, sort_once

N = TypeVar("N", bound=Hashable)

QUESTION_JACCARD: Final = 0.5
TEXT_JACCARD: Final = 0.5
REPEATED: Final = 0.8
"""From here on one text repeats the other."""
MIN_QUESTION_WORDS: Final = 4
"""Shorter questions ("hi", "and then?") are alike without meaning the same; their whole text decides alone."""
FEW: Final = 5
"""So many conversations are never too many: a share of a small record would be none."""
MANY_SHARE: Final = 0.01
"""A question that more conversations than this ask alike is a habit or a starter, and ties none of them."""
GROUP_SHARE: Final = 0.02
"""Largest group that half-alike texts and questions may make, and the most conversations that are decided together."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a conversation says."""

    questions: tuple[str, ...]
    text: str
    """Questions and answers, without the system prompt."""


class _Ties(NamedTuple):
    """Places of conversations, by twos."""

    one: Ints
    other: Ints
    likeness: NDArray[np.float64]

    def above(self, least: float) -> Iterator[tuple[int, int]]:
        """From the most alike down."""
        order = np.argsort(-self.likeness, kind="stable")
        order = order[self.likeness[order] >= least]
        return zip(self.one[order].tolist(), self.other[order].tolist(), strict=True)


def group_duplicates(spoken: Mapping[str, Spoken]) -> dict[str, str]:
    """For each conversation the first of its group, in the order of `spoken`; its own id where it has no duplicate."""
    names = list(spoken)
    if not names:
        return {}
    shingler = Shingler()
    texts = _ties_of_texts(shingler.triples(said.text for said in spoken.values()))
    questions = _ties_of_questions(_ask(shingler, spoken.values()), conversations=len(names))
    forest = Forest(range(len(names)))
    for one, other in texts.above(REPEATED):
        forest.unite(one, other, most=len(names))
    most = largest_share(len(names))
    for one, other in _joined(texts, questions).above(0.0):
        forest.unite(one, other, most=most)
    firsts: dict[int, str] = {}
    for place, name in enumerate(names):
        firsts.setdefault(forest.find(place), name)
    return {name: firsts[forest.find(place)] for place, name in enumerate(names)}


def largest_share(conversations: int) -> int:
    """How many of so many conversations may hang together by likeness alone."""
    return max(FEW, round(GROUP_SHARE * conversations))


def _ties_of_texts(texts: Sets) -> _Ties:
    # Equal texts are compared once: one that everybody says would cost its count squared.
    told = np.flatnonzero(texts.sizes)
    sets, first, which = distinct(texts.only(told))
    alike = find_alike(sets, threshold=TEXT_JACCARD)
    return _joined(
        _equal(told[first][which], told), _Ties(told[first][alike.one], told[first][alike.other], alike.likeness)
    )


class _Asked(NamedTuple):
    """Every telling question of every conversation, each once."""

    sets: Sets
    """Distinct ones."""
    question: Ints
    """Of each time that one is asked: which."""
    asker: Ints
    opens: NDArray[np.bool_]
    """Whether the asker begins with it."""


def _ask(shingler: Shingler, spoken: Iterable[Spoken]) -> _Asked:
    asked = [dict.fromkeys(said.questions) for said in spoken]
    every = shingler.pairs((question for own in asked for question in own), least_words=MIN_QUESTION_WORDS)
    asker = np.repeat(np.arange(len(asked)), [len(own) for own in asked])
    opens = np.concatenate([np.ones(1, bool), asker[1:] != asker[:-1]])[: len(asker)]
    telling = np.flatnonzero(every.sizes)
    found = distinct(every.only(telling))
    return _Asked(found.sets, found.which, asker[telling], opens[telling])


def _ties_of_questions(asked: _Asked, *, conversations: int) -> _Ties:
    alike = find_alike(asked.sets, threshold=QUESTION_JACCARD)
    rare = _find_rare(asked, alike, conversations=conversations, many=max(FEW, round(MANY_SHARE * conversations)))
    nobody = conversations
    first, opener = (np.full(len(asked.sets), nobody) for _ in range(2))
    np.minimum.at(first, asked.question, asked.asker)
    np.minimum.at(opener, asked.question[asked.opens], asked.asker[asked.opens])
    is_tied = rare[asked.question] & (opener[asked.question] < nobody)
    same = _equal(opener[asked.question[is_tied]], asked.asker[is_tied])
    ties = [same]
    both = rare[alike.one] & rare[alike.other]
    for opening, any_place in ((alike.one, alike.other), (alike.other, alike.one)):
        chosen = both & (opener[opening] < nobody)
        ties.append(_Ties(opener[opening[chosen]], first[any_place[chosen]], alike.likeness[chosen]))
    return _joined(*ties)


def _find_rare(asked: _Asked, alike: Alike, *, conversations: int, many: int) -> NDArray[np.bool_]:
    """Of each question whether no more than `many` conversations ask it, in these words or alike."""
    count = len(asked.sets)
    pairs = sort_once(asked.question * conversations + asked.asker)
    question, asker = np.divmod(pairs, max(conversations, 1))
    frequent = np.bincount(question, minlength=count) > many
    # Who is alike to a frequent one is frequent; so the sets of askers that are united here are small.
    near = frequent.copy()
    near[alike.one[frequent[alike.other]]] = True
    near[alike.other[frequent[alike.one]]] = True
    here = np.flatnonzero(~near[alike.one] & ~near[alike.other])
    one, other, own = alike.one[here], alike.other[here], np.arange(count)
    rows, columns = np.concatenate([own, one, other]), np.concatenate([own, other, one])
    links = csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=(count, count))
    asks = csr_array((np.ones(len(question), np.int32), (question, asker)), shape=(count, conversations))
    return ~near & (np.diff((links @ asks).indptr) <= many)


def _equal(one: Ints, other: Ints) -> _Ties:
    differ = one != other
    return _Ties(one[differ], other[differ], np.ones(np.count_nonzero(differ)))


def _joined(*ties: _Ties) -> _Ties:
    return _Ties(*(np.concatenate(parts) for parts in zip(*ties, strict=True)))


class Forest(Generic[N]):
    """Groups that grow together, and how large each is."""

    def __init__(self, names: Iterable[N]) -> None:
        self._leaders = {name: name for name in names}
        self._sizes = dict.fromkeys(self._leaders, 1)

    def __len__(self) -> int:
        return len(self._leaders)

    def __iter__(self) -> Iterator[N]:
        return iter(self._leaders)

    def find(self, name: N) -> N:
        leaders = self._leaders
        while leaders[name] != name:
            leaders[name] = leaders[leaders[name]]
            name = leaders[name]
        return name

    def unite(self, one: N, other: N, *, most: int) -> None:
        """Make one group of two, unless it would hold more than `most` names."""
        one, other = self.find(one), self.find(other)
        if one != other and self._sizes[one] + self._sizes[other] <= most:
            self._leaders[other] = one
            self._sizes[one] += self._sizes[other]
