"""What one text has otherwise than another, word by word. Pure."""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple

MOST_WORDS: Final = 1_500
"""Of longer texts the rest is left uncompared: time grows with the square."""


class Piece(NamedTuple):
    kind: Literal["same", "gone", "new"]
    text: str


def diff_words(before: str, after: str) -> list[Piece]:
    """In reading order; joined, `same` and `gone` give `before`, `same` and `new` give `after`."""
    old, new = _words(before), _words(after)
    pieces = _compare(old[:MOST_WORDS], new[:MOST_WORDS])
    rest = [Piece("gone", "".join(old[MOST_WORDS:])), Piece("new", "".join(new[MOST_WORDS:]))]
    return [piece for piece in (*pieces, *rest) if piece.text]


def _compare(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece("same", "".join(old[i:j]))
        else:
            yield Piece("gone", "".join(old[i:j]))
            yield Piece("new", "".join(new[k:m]))


def _words(text: str) -> list[str]:
    """Each word with the white space behind it."""
    return re.findall(r"\s*\S+\s*|\s+", text)
