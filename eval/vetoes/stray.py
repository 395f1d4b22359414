"""Is an answer, or its tail, the answer to somebody else's question, or the same whatever is asked?

An answer is astray where it holds a good part of another row's reference, by pairs of words that few references have,
and hardly any of its own. It is a formula where the same contestant gives it to several questions whose references
have little of it. Texts from outside of the exam that are about something else are found by their length alone.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eval.metrics.text import token_f1, words
from eval.vetoes.scene import Scene, pairs

Pair = tuple[str, str]
OTHER_SHARE: Final = 0.15
"""So much of another row's reference, weighted, must an answer hold to be that row's."""
LEAST_PAIRS: Final = 4
NEIGHBOURS: Final = 0.1
"""Rows whose references share so much are about the same thing: one's answer will do for the other."""
FORMULA_ROWS: Final = 3
FORMULA_F1: Final = 0.3


@dataclass(frozen=True, slots=True)
class Answers:
    """The references of an exam by their pairs of words."""

    pairs_of: Mapping[str, frozenset[Pair]]
    """By row id."""
    weight: Mapping[Pair, float]
    rows_with: Mapping[Pair, Sequence[str]]
    conversation_of: Mapping[str, str]

    def is_astray(self, answer: str, scene: Scene) -> bool:
        said = frozenset(pairs(words(answer)))
        known = frozenset(pairs(words(scene.known)))
        strange = said - known
        touched = Counter(row_id for pair in strange for row_id in self.rows_with.get(pair, ()))
        own = self._share(said, self.pairs_of[scene.row_id])
        for row_id, count in touched.most_common():
            if count < LEAST_PAIRS:
                return False
            theirs = self.pairs_of[row_id]
            if self.conversation_of[row_id] == scene.conversation_id or self._share(known, theirs) > NEIGHBOURS:
                continue
            share = self._share(strange, theirs)
            if share > OTHER_SHARE and share > own / 2:
                return True
        return False

    def _share(self, said: frozenset[Pair], reference: frozenset[Pair]) -> float:
        whole = math.fsum(self.weight[pair] for pair in reference)
        return math.fsum(self.weight[pair] for pair in reference & said) / whole if whole else 0.0


def learn_answers(scenes: Sequence[Scene]) -> Answers:
    pairs_of = {scene.row_id: frozenset(pairs(words(scene.reference))) for scene in scenes}
    rows_with: dict[Pair, list[str]] = {}
    for row_id, found in pairs_of.items():
        for pair in found:
            rows_with.setdefault(pair, []).append(row_id)
    weight = {pair: math.log((len(scenes) + 1) / len(ids)) for pair, ids in rows_with.items()}
    conversation_of = {scene.row_id: scene.conversation_id for scene in scenes}
    return Answers(pairs_of, weight, {pair: sorted(ids) for pair, ids in rows_with.items()}, conversation_of)


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
