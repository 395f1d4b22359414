"""Is an answer, or its tail, the answer to somebody else's question, or the same whatever is asked?

An answer is astray where it, or its end, holds more of another conversation's reference than of its own, by words and
pairs of words that few references have. It is a formula where the same contestant gives it to several questions whose
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
NEIGHBOURS: Final = 0.35
"""Rows whose references share so much are about the same thing: one's answer will do for the other."""
TAIL_WORDS: Final = 6
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

    def is_astray(self, answer: str, scene: Scene) -> bool:
        known = _marks(words(scene.known))
        others = [
            row_id
            for row_id, theirs in self.marks_of.items()
            if self.conversation_of[row_id] != scene.conversation_id and self._share(known, theirs) <= NEIGHBOURS
        ]
        reference = len(words(scene.reference))
        return any(
            self._belongs_elsewhere(_marks(part), known, scene.row_id, frozenset(others))
            for part in _parts(words(answer), reference=reference)
        )

    def _belongs_elsewhere(
        self, said: frozenset[Mark], known: frozenset[Mark], row_id: str, others: frozenset[str]
    ) -> bool:
        strange = said - known
        own = self._share(said, self.marks_of[row_id])
        touched = Counter(other for mark in strange for other in self.rows_with.get(mark, ()) if other in others)
        return any(
            count >= LEAST_MARKS and self._share(strange, self.marks_of[other] - known) > own + MORE_OF_OTHERS
            for other, count in touched.items()
        )

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
    return Answers(marks_of, weight, rows_with, conversation_of)


def _marks(said: Sequence[str]) -> frozenset[Mark]:
    return frozenset((*said, *pairs(said)))


def _parts(said: Sequence[str], *, reference: int) -> Iterator[Sequence[str]]:
    """The whole, and what stands behind as many words as the reference has, or behind thirds and the half."""
    yield said
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
