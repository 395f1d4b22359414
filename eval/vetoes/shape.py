"""The outside of an answer beside its reference: said again and again, far too long, or too short to say anything.

Compares lengths and words with the reference of the same row, so a bot whose references are short may be short.
"""

import re
from typing import Final

from eval.metrics.refusal import is_refusal
from eval.metrics.text import token_f1
from eval.vetoes.scene import Scene
from nightschool.wording import repetition, sentences, words

MORE_REPETITION: Final = 0.15
LONG: Final = 3.0
LONG_WORDS: Final = 40
SHORT: Final = 0.2
SHORT_WORDS: Final = 10
REPEATED_SENTENCE_WORDS: Final = 4
_SAID_AGAIN: Final = re.compile(r"^\W*(.{2,}?)(?:[\W_]+\1)+\W*$", re.S)
REFUSAL_F1: Final = 0.3


def is_repetitive(answer: str, scene: Scene) -> bool:
    if repetition(answer) > repetition(scene.reference) + MORE_REPETITION:
        return True
    bare = " ".join(answer.split()).casefold()
    if _SAID_AGAIN.match(bare) and not _SAID_AGAIN.match(" ".join(scene.reference.split()).casefold()):
        return True
    return len(_twice(answer) - _twice(scene.reference)) > 0


def is_too_long(answer: str, scene: Scene) -> bool:
    return len(words(answer)) > max(LONG * len(words(scene.reference)), LONG_WORDS)


def says_too_little(answer: str, scene: Scene) -> bool:
    """So short beside its reference that it cannot hold it, or a refusal where the reference has none."""
    said, wanted = len(words(answer)), len(words(scene.reference))
    if wanted >= SHORT_WORDS and said < max(2, SHORT * wanted):
        return True
    refuses = is_refusal(answer) and not is_refusal(scene.reference)
    return refuses and token_f1(answer, reference=scene.reference) < REFUSAL_F1


def _twice(text: str) -> set[str]:
    heard: set[str] = set()
    again: set[str] = set()
    for sentence in sentences(text):
        said = words(sentence)
        key = " ".join(said)
        if len(said) >= REPEATED_SENTENCE_WORDS and key in heard:
            again.add(key)
        heard.add(key)
    return again
