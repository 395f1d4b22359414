"""Are an answer's words in an order that anybody would say them in?

Counts how many of its words stand near each other as they do elsewhere in the exam's texts, more often than chance has
it. Where that is no more than the exam's own references show with their words shuffled, the order is destroyed; and
in a short answer, where it is no more than the answer itself shows with its own words shuffled, however few of them
the exam knows. No language is presumed. Where references and shuffled ones lie too close together (a small
exam), the text decides nothing.

The base model has the last word where it was asked: an answer that it finds likelier than the reference is in order,
however strange to the exam its words are; one far less likely is not, where the text is doubtful too.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from statistics import fmean, pstdev
from typing import Final, NamedTuple

from eval.vetoes.scene import Scene
from nightschool.wording import words

FEW_WORDS: Final = 8
"""Below, nothing is judged."""
DOUBTFUL_WORDS: Final = 12
"""Below, base alone does not decide."""
ENOUGH_WORDS: Final = 24
"""From here on the text alone may decide."""
SHUFFLES: Final = 24
SHUFFLED_ERRORS: Final = 1.0
"""Standard deviations above the mean of its own shuffles: five in six shuffled ones lie below, sound ones above."""
DISTANCES: Final = (1, 2, 3)
LEAST_DISTANCE: Final = 0.08
SHUFFLED_BELOW: Final = 0.8
"""Share of the shuffled references that lie below the line."""
ODDER_NATS: Final = 1.5
"""Nats per token beyond the reference: shuffled answers lie some 2.5 above, sound ones 1 to 3 below."""


class Pair(NamedTuple):
    left: str
    right: str
    distance: int


@dataclass(frozen=True, slots=True)
class Order:
    known: Mapping[Pair, int]
    """In how many conversations it stands."""
    chance: Mapping[str, float]
    """Share of each word among all; two of them meet by chance in `conversation_words` times the product."""
    conversation_words: int
    line: float
    """Mean score of pairs below which words are out of order; 0 where that cannot be told."""
    doubtful: float
    """The score below which a model's word counts; infinite where scores tell nothing."""

    def is_destroyed(self, answer: str, scene: Scene, *, odder_nats: float) -> bool:
        """`odder_nats`: by how much the base model finds the answer odder than the reference; nan: not asked."""
        said = words(answer)
        if len(said) < FEW_WORDS:
            return False
        own = frozenset(_pairs(words(scene.known)))
        score = self.score(said, own=own, is_own_known=True)
        if len(said) < ENOUGH_WORDS and score < self.doubtful and self._is_as_if_shuffled(said, score, own):
            return not odder_nats < 0
        if score < self.line and (len(said) >= ENOUGH_WORDS or odder_nats > 0):
            return not odder_nats < 0
        return score < self.doubtful and odder_nats > ODDER_NATS and len(said) >= DOUBTFUL_WORDS

    def hangs_on_base(self, answer: str, scene: Scene) -> bool:
        """Whether it is the base model's word that decides."""
        likelier, between, odder = -1.0, ODDER_NATS / 2, ODDER_NATS + 1
        said = {self.is_destroyed(answer, scene, odder_nats=nats) for nats in (likelier, between, odder)}
        return len(said) > 1

    def _is_as_if_shuffled(self, said: Sequence[str], score: float, own: frozenset[Pair]) -> bool:
        # Seeded by nothing but the words, so that an answer is judged alike each time.
        rng = Random(" ".join(said))
        shuffles = [self.score(rng.sample(said, len(said)), own=own, is_own_known=True) for _ in range(SHUFFLES)]
        return self.line > 0 and score < fmean(shuffles) + SHUFFLED_ERRORS * pstdev(shuffles)

    def score(self, said: Sequence[str], *, own: frozenset[Pair], is_own_known: bool) -> float:
        """Mean over the different pairs of `said`: 0 unheard of, towards 1 the surer it is no chance.

        `own` are those of its own conversation: heard in any case, or, to take the measure, to be left out.
        """
        found = set(_pairs(said))
        total = 0.0
        for pair in found:
            heard = self.known.get(pair, 0) - (0 if is_own_known else pair in own)
            if heard > 0 or (is_own_known and pair in own):
                expected = self.conversation_words * self.chance.get(pair.left, 0) * self.chance.get(pair.right, 0)
                total += max(0.0, 1 - expected / (max(heard, 0) + 1))
        return total / len(found) if found else 0.0


def learn_order(scenes: Sequence[Scene]) -> Order:
    by_conversation: dict[str, set[Pair]] = {}
    for scene in scenes:
        by_conversation.setdefault(scene.conversation_id, set()).update(_pairs(words(scene.known)))
    known = Counter(pair for found in by_conversation.values() for pair in found)
    spoken = Counter(word for scene in scenes for word in words(scene.reference))
    chance = {word: count / spoken.total() for word, count in spoken.items()}
    unmeasured = Order(known, chance, spoken.total(), line=0.0, doubtful=math.inf)
    in_order, shuffled, beside_own = [], [], []
    for scene in scenes:
        said, own = words(scene.reference), frozenset(by_conversation[scene.conversation_id])
        if len(said) >= FEW_WORDS:
            # Seeded by nothing but the words, so that the same exam always has the same line.
            mixed = Random(" ".join(said)).sample(said, len(said))
            in_order.append(unmeasured.score(said, own=own, is_own_known=False))
            shuffled.append(unmeasured.score(mixed, own=own, is_own_known=False))
            beside_own.append(unmeasured.score(mixed, own=own, is_own_known=True))
    if not in_order or fmean(in_order) - fmean(shuffled) < LEAST_DISTANCE:
        return unmeasured
    line = sorted(beside_own)[int(SHUFFLED_BELOW * len(beside_own))]
    return replace(unmeasured, line=line, doubtful=fmean(in_order))


def _pairs(said: Sequence[str]) -> list[Pair]:
    return [
        Pair(left, right, distance)
        for distance in DISTANCES
        for left, right in zip(said, said[distance:], strict=False)
    ]
