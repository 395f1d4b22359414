"""Which stored question a new one is nearest to, and by how much no other answer would do.

The score is the cosine to the nearest question, and on top of it how far the nearest question with another answer is
behind: that margin tells sure from unsure far better than the cosine alone. A stored question that differs in a telling
word (`collect.verified.telling`) is passed over, unless the record shows that its answer does not turn on it: questions
with the same answer differ in it already. Pure: how texts become vectors comes in as a function.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from collect.verified.calibration import Calibration, calibrate
from collect.verified.pairs import Hit, Pair, Refusal
from collect.verified.telling import Telling, are_opposed, find_names, read_telling, swapped_word
from nightschool.text import gist

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
Embed = Callable[[Sequence[str]], NDArray[np.float64]]
Mark = tuple[str, frozenset[str] | bool]
"""What may tell, with its kind."""
NEAREST: Final = 8
"""So many stored questions are compared word by word."""
LEAST_COSINE: Final = 0.6
"""Below it no stored question has the same topic, whatever the record says."""
SAME: Final = 2.0
"""The highest score: of the very question."""
MOST_LEFT_OUT: Final = 1_000
"""So many stored questions, the newest, are asked to calibrate."""


@dataclass(frozen=True, slots=True)
class Index:
    """The stored questions of one bot, each once: of two words on the same question the newer one stands."""

    pairs: tuple[Pair, ...]
    vectors: FloatArray
    """(n, d) of length 1."""
    groups: IntArray
    """(n,) equal where the answers say the same."""
    names: frozenset[str]
    telling: tuple[Telling, ...]
    places: dict[str, int]
    """By gist of the question."""
    refused: frozenset[tuple[str, str]]
    """Gists of questions and of what an operator turned down for them."""
    seen: tuple[Counter[Mark], ...]
    """By group: what its questions hold that may tell."""

    @classmethod
    def build(cls, pairs: Sequence[Pair], refusals: Sequence[Refusal], *, embed: Embed) -> Self:
        newest = {gist(pair.question): pair for pair in pairs}
        newest.pop("", None)
        kept = tuple(newest.values())
        answers = [gist(pair.answer) for pair in kept]
        numbers = {answer: number for number, answer in enumerate(dict.fromkeys(answers))}
        names = find_names([text for pair in kept for text in (pair.question, pair.answer)])
        telling = tuple(read_telling(pair.question, names=names) for pair in kept)
        groups = np.array([numbers[answer] for answer in answers], dtype=np.int64)
        seen: tuple[Counter[Mark], ...] = tuple(Counter() for _ in numbers)
        for told, group in zip(telling, groups, strict=True):
            seen[group].update(_marks(told))
        return cls(
            pairs=kept,
            vectors=embed([pair.question.casefold() for pair in kept]).astype(np.float32),
            groups=groups,
            names=names,
            telling=telling,
            places={question: place for place, question in enumerate(newest)},
            refused=frozenset((gist(refusal.question), gist(refusal.answer)) for refusal in refusals),
            seen=seen,
        )

    def same(self, question: str) -> Hit | None:
        """The very question, but for capitals, blanks and marks around words."""
        place = self.places.get(gist(question))
        return None if place is None else self._hit(question, place, SAME)

    def near(self, question: str, *, embed: Embed) -> Hit | None:
        """The nearest one with its score, near or far."""
        if not self.pairs or not gist(question):
            return None
        vector = embed([question.casefold()])[0].astype(np.float32)
        found = self._nearest(vector, read_telling(question, names=self.names), without=None)
        return None if found is None else self._hit(question, *found)

    def calibration(self, *, precision: float) -> Calibration:
        """By asking each stored question of all others (leave one out): right is an answer that says the same."""
        places = range(max(0, len(self.pairs) - MOST_LEFT_OUT), len(self.pairs))
        found = [(place, self._nearest(self.vectors[place], self.telling[place], without=place)) for place in places]
        served = [(hit[1], self.groups[hit[0]] == self.groups[place]) for place, hit in found if hit]
        scores = np.array([score for score, _ in served])
        is_right = np.array([right for _, right in served], dtype=np.bool_)
        return calibrate(scores, is_right, precision=precision, known=len(places))

    def _hit(self, question: str, place: int, score: float) -> Hit | None:
        pair = self.pairs[place]
        is_refused = (gist(question), gist(pair.answer)) in self.refused
        return None if is_refused or not pair.is_on else Hit(pair, score)

    def _nearest(self, vector: FloatArray, told: Telling, *, without: int | None) -> tuple[int, float] | None:
        """Place and score."""
        cosines = self.vectors @ vector
        if without is not None:
            cosines[without] = -1.0
        few = min(NEAREST, len(cosines))
        nearest = np.argpartition(-cosines, few - 1)[:few]
        for place in nearest:
            if not self._fits(told, int(place), without=without):
                cosines[place] = -1.0
        best = int(cosines.argmax())
        if cosines[best] < LEAST_COSINE or best not in nearest:
            return None
        others = cosines[self.groups != self.groups[best]]
        behind = max(float(others.max()), 0.0) if len(others) else 0.0
        return best, float(2 * cosines[best] - behind)

    def _fits(self, told: Telling, place: int, *, without: int | None) -> bool:
        """Whether nothing that tells stands between the question and the one at `place`."""
        stored, seen = self.telling[place], self.seen[int(self.groups[place])]
        own = _marks(self.telling[without]) if without is not None and self._is_alike(place, without) else []

        def is_known(mark: Mark) -> bool:
            return seen[mark] > own.count(mark)

        return (
            (told.names == stored.names or is_known(("names", told.names)))
            and (told.amounts == stored.amounts or is_known(("amounts", told.amounts)))
            and (told.is_negated == stored.is_negated or is_known(("negated", told.is_negated)))
            and (told.long_numbers == stored.long_numbers or _vary(seen, own))
            and not are_opposed(told, stored)
            and ((swapped := swapped_word(told, stored)) is None or is_known(("word", frozenset({swapped}))))
        )

    def _is_alike(self, one: int, other: int) -> bool:
        return bool(self.groups[one] == self.groups[other])


EMPTY: Final = Index((), np.zeros((0, 1), np.float32), np.zeros(0, np.int64), frozenset(), (), {}, frozenset(), ())


def _marks(told: Telling) -> list[Mark]:
    return [
        ("names", told.names),
        ("amounts", told.amounts),
        ("negated", told.is_negated),
        ("long", told.long_numbers),
        *(("word", frozenset({word})) for word in told.words),
    ]


def _vary(seen: Counter[Mark], own: Sequence[Mark]) -> bool:
    """Whether the same answer stands for several order numbers, so that it is about none of them."""
    return sum(mark[0] == "long" and count > own.count(mark) for mark, count in seen.items()) > 1
