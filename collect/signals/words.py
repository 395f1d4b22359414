"""A message as words, for comparing: no case, no apostrophes, usual spellings; and where its clauses begin and end.

In scripts that write no blanks each character is a word, and phrases are looked for in the whole. Knows no phrase.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from nightschool.text import UNSPACED

APOSTROPHES: Final = re.compile("(?<=\\w)['’ʼ`´](?=\\w)")  # noqa: RUF001
PIECE: Final = re.compile(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+|[.,;:!?¡¿…\n。、，！？；：؟،—–()]+")  # noqa: RUF001
"""A word, or what ends a clause. Hyphens end none: passez-moi is two words of one."""


@dataclass(frozen=True, slots=True)
class Spoken:
    words: tuple[str, ...]
    openings: frozenset[int]
    """Places of the words that begin a clause; one behind the last word ends the last."""
    run: str
    """The whole without blanks, for scripts that write none."""


def hear(text: str, *, spellings: Mapping[str, str]) -> Spoken:
    """`spellings` puts in their usual words what people write short."""
    words: list[str] = []
    openings = {0}
    lower = unicodedata.normalize("NFKC", text).casefold()
    for piece in PIECE.findall(APOSTROPHES.sub("", lower)):
        if piece[0].isalnum():
            words.extend(spellings.get(piece, piece).split())
        else:
            openings.add(len(words))
    return Spoken(tuple(words), frozenset({*openings, len(words)}), "".join(lower.split()))


def trigrams(words: Iterable[str]) -> frozenset[str]:
    """Of the words' letters with a blank around each, so that a slip of the finger changes few of them."""
    spaced = f" {' '.join(words)} "
    return frozenset(spaced[place : place + 3] for place in range(len(spaced) - 2))


def overlap(one: frozenset[str], other: frozenset[str]) -> float:
    """|one & other| / |one | other|; 0..1, 0 where both are empty."""
    common = len(one & other)
    union = len(one) + len(other) - common
    return common / union if union else 0.0
