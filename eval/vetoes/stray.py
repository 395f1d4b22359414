"""Is an answer, or its tail, the answer to somebody else's question, or the same whatever is asked?

An answer is astray where it, or its end, holds much of another conversation's reference, and more of it than of any
answer to its own question, by words and pairs of words that few references have. Two people word one answer
differently, so rows that ask or answer alike are at home with each other, and a few shared phrases prove nothing. It is
a formula where the same contestant gives it to several questions whose references have little of it, and nobody of the
house says so.
Texts from outside of the exam that are about something else are found by length alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eval.metrics.text import token_f1
from eval.vetoes.scene import Scene, pairs
from nightschool.wording import words

Mark = str | tuple[str, str]
"""A word or a pair of neighbours."""
MORE_OF_OTHERS: Final = 0.2
"""By so much, weighted, an answer holds more of another reference than of any at home. People who word one answer
otherwise reach .2 in one of 120, at .15 in four."""
LEAST_WEIGHT: Final = 26.0
"""Of the shared marks, in nats: some six rare ones. A shorter phrase (`Have a great day!`) is said to everybody."""
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
HOUSE_F1: Final = 0.7
"""So near a reference of the exam, an answer is what people say there."""


@dataclass(frozen=True, slots=True)
class Answers:
    """The references of an exam by their marks."""

    marks_of: Mapping[str, frozenset[Mark]]
    """By row id."""
    weight: Mapping[Mark, float]
    rows_with: Mapping[Mark, Sequence[str]]
    conversation_of: Mapping[str, str]
    at_home: Mapping[str, frozenset[str]]
    """The rows that ask or answer what this one does, itself among them."""

    def is_astray(self, answer: str, scene: Scene) -> bool:
        known, reference = _marks(words(scene.known)), len(words(scene.reference))
        return any(
            self._belongs_elsewhere(_marks(part), known, scene) for part in _parts(words(answer), reference=reference)
        )

    def _belongs_elsewhere(self, said: frozenset[Mark], known: frozenset[Mark], scene: Scene) -> bool:
        strange, home = said - known, self.at_home[scene.row_id]
        touched = {other for mark in strange for other in self.rows_with.get(mark, ())}
        bound = max(self._share(said, self.marks_of[row]) for row in home) + MORE_OF_OTHERS
        return any(
            self.conversation_of[other] != scene.conversation_id
            and self._weigh(strange & self.marks_of[other]) >= LEAST_WEIGHT
            and self._share(strange, self.marks_of[other] - known) > bound
            for other in touched - home
        )

    def _share(self, said: frozenset[Mark], reference: frozenset[Mark]) -> float:
        whole = self._weigh(reference)
        return self._weigh(reference & said) / whole if whole else 0.0

    def _weigh(self, marks: frozenset[Mark]) -> float:
        return math.fsum(self.weight[mark] for mark in marks if mark in self.weight)


def learn_answers(scenes: Sequence[Scene]) -> Answers:
    marks_of = {scene.row_id: _marks(words(scene.reference)) for scene in scenes}
    rows_with: dict[Mark, list[str]] = {}
    for row_id, found in marks_of.items():
        for mark in found:
            rows_with.setdefault(mark, []).append(row_id)
    weight = {mark: math.log((len(scenes) + 1) / len(ids)) for mark, ids in rows_with.items()}
    conversation_of = {scene.row_id: scene.conversation_id for scene in scenes}
    at_home = {scene.row_id: frozenset({scene.row_id}) for scene in scenes}
    questions: dict[str, frozenset[Mark]] = {scene.row_id: frozenset(words(scene.question)) for scene in scenes}
    for alike in (_alike(questions, bound=ALIKE), _alike(marks_of, bound=NEIGHBOURS)):
        at_home = {row: home | alike[row] for row, home in at_home.items()}
    return Answers(marks_of, weight, rows_with, conversation_of, at_home)


def _alike(texts: Mapping[str, frozenset[Mark]], *, bound: float) -> dict[str, frozenset[str]]:
    """For each row those that share more than `bound` of the shorter one's weight."""
    holders: dict[Mark, set[str]] = {}
    for row, said in texts.items():
        for mark in said:
            holders.setdefault(mark, set()).add(row)
    weight = {mark: math.log((len(texts) + 1) / len(rows)) for mark, rows in holders.items()}
    whole = {row: math.fsum(weight[mark] for mark in said) for row, said in texts.items()}

    def shares(one: str, other: str) -> bool:
        shared = math.fsum(weight[mark] for mark in texts[one] & texts[other])
        return shared > bound * min(whole[one], whole[other])

    met = {row: set().union(*(holders[mark] for mark in said)) for row, said in texts.items()}
    return {row: frozenset(other for other in met[row] if shares(row, other)) for row in texts}


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
    """Rows whose answer, word for word, several conversations got, though their references say something else.

    What people of the house say in the exam (`Have a great day!`) is no formula: at most it is astray.
    """
    rows: dict[tuple[str, ...], list[Scene]] = {}
    for scene in scenes:
        rows.setdefault(tuple(words(answers[scene.row_id])), []).append(scene)
    return frozenset(
        scene.row_id
        for said, given in rows.items()
        if said and len({scene.conversation_id for scene in given}) >= FORMULA_ROWS
        if not any(token_f1(answers[given[0].row_id], reference=scene.reference) >= HOUSE_F1 for scene in scenes)
        for scene in given
        if token_f1(answers[scene.row_id], reference=scene.reference) < FORMULA_F1
    )
