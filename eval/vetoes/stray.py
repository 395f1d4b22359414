"""Is an answer, or its tail, the answer to somebody else's question, or the same whatever is asked?

An answer is astray where it, or its end, holds more of another conversation's reference than of its own, by words and
pairs of words that few references have. Rows that ask or answer alike are no strangers to each other: two people word
one answer differently. It is a formula where the same contestant gives it to several questions whose
references have little of it. Texts from outside of the exam that are about something else are found by length alone.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eval.metrics.text import token_f1, words
from eval.vetoes.scene import Scene, pairs

Mark = str | tuple[str, str]
"""A word or a pair of neighbours."""
MORE_OF_OTHERS: Final = 0.15
"""By so much, weighted, an answer holds more of another reference than of its own. Real ones reach .14."""
LEAST_MARKS: Final = 3
NEIGHBOURS: Final = 0.2
"""Rows whose references share so much are about the same thing: one's answer will do for the other. Of unrelated rows
hardly any do, and half of those that people sorted under one intent."""
ALIKE: Final = 0.35
"""The same for questions, of the shorter one's weight."""
TAIL_WORDS: Final = 6
LONGER: Final = 1.25
"""Times the reference's length: a shorter answer has no second one behind it, and its parts say little."""
FORMULA_ROWS: Final = 3
FORMULA_F1: Final = 0.3


@dataclass(frozen=True, slots=True)
class Answers:
    """The references of an exam by their marks."""

    marks_of: Mapping[str, frozenset[Mark]]
    """By row id."""
    weight: Mapping[Mark, float]
    rows_with: Mapping[Mark, Sequence[str]]
    conversation_of: Mapping[str, str]
    question_of: Mapping[str, frozenset[str]]
    """The question's words, by row id."""
    question_weight: Mapping[str, float]

    def is_astray(self, answer: str, scene: Scene) -> bool:
        known, own = _marks(words(scene.known)), self.marks_of[scene.row_id]
        reference = len(words(scene.reference))
        return any(
            self._belongs_elsewhere(_marks(part), known, own, scene)
            for part in _parts(words(answer), reference=reference)
        )

    def _belongs_elsewhere(
        self, said: frozenset[Mark], known: frozenset[Mark], own: frozenset[Mark], scene: Scene
    ) -> bool:
        strange = said - known
        bound = self._share(said, own) + MORE_OF_OTHERS
        touched = Counter(other for mark in strange for other in self.rows_with.get(mark, ()))
        return any(
            count >= LEAST_MARKS
            and self.conversation_of[other] != scene.conversation_id
            and self._share(strange, self.marks_of[other] - known) > bound
            and self._share(known, self.marks_of[other]) <= NEIGHBOURS
            and not self._ask_alike(scene.row_id, other)
            for other, count in touched.items()
        )

    def _ask_alike(self, one: str, other: str) -> bool:
        asked, theirs = self.question_of[one], self.question_of[other]
        shared, shorter = self._asks(asked & theirs), min(self._asks(asked), self._asks(theirs))
        return shared > ALIKE * shorter

    def _asks(self, said: frozenset[str]) -> float:
        return math.fsum(self.question_weight[word] for word in said)

    def _share(self, said: frozenset[Mark], reference: frozenset[Mark]) -> float:
        whole = math.fsum(self.weight[mark] for mark in reference)
        return math.fsum(self.weight[mark] for mark in reference & said) / whole if whole else 0.0


def learn_answers(scenes: Sequence[Scene]) -> Answers:
    marks_of = {scene.row_id: _marks(words(scene.reference)) for scene in scenes}
    rows_with: dict[Mark, list[str]] = {}
    for row_id, found in marks_of.items():
        for mark in found:
            rows_with.setdefault(mark, []).append(row_id)
    weight = {mark: math.log((len(scenes) + 1) / len(ids)) for mark, ids in rows_with.items()}
    conversation_of = {scene.row_id: scene.conversation_id for scene in scenes}
    question_of = {scene.row_id: frozenset(words(scene.question)) for scene in scenes}
    askers = Counter(word for asked in question_of.values() for word in asked)
    question_weight = {word: math.log((len(scenes) + 1) / count) for word, count in askers.items()}
    return Answers(marks_of, weight, rows_with, conversation_of, question_of, question_weight)


def _marks(said: Sequence[str]) -> frozenset[Mark]:
    return frozenset((*said, *pairs(said)))


def _parts(said: Sequence[str], *, reference: int) -> Iterator[Sequence[str]]:
    """The whole, and what stands behind as many words as the reference has, or behind thirds and the half."""
    yield said
    if len(said) < LONGER * reference:
        return
    for start in sorted({reference, len(said) // 3, len(said) // 2, 2 * len(said) // 3}):
        if 0 < start <= len(said) - TAIL_WORDS:
            yield said[start:]


def find_formulas(scenes: Sequence[Scene], answers: Mapping[str, str]) -> frozenset[str]:
    """Rows whose answer, word for word, several conversations got, though their references say something else."""
    rows: dict[tuple[str, ...], list[Scene]] = {}
    for scene in scenes:
        rows.setdefault(tuple(words(answers[scene.row_id])), []).append(scene)
    return frozenset(
        scene.row_id
        for said, given in rows.items()
        if said and len({scene.conversation_id for scene in given}) >= FORMULA_ROWS
        for scene in given
        if token_f1(answers[scene.row_id], reference=scene.reference) < FORMULA_F1
    )
