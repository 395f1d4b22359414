"""Cut a document into passages: what stands under one heading, sentence by sentence, as much as fits a passage.

A passage never reaches over a heading, and a sentence is cut only where it alone is too long. Sizes are in tokens as a
small model's tokenizer would about count them. Does not know where documents come from.
"""

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from collect.knowledge.document import Document
from nightschool.knowledge import Passage
from nightschool.text import HALVES, INVISIBLE, LINE_BREAKS
from nightschool.wording import UNSPACED, sentences

MAX_TOKENS: Final = 120
MAX_PLACE_CHARS: Final = 200
"""Of a title, and of headings."""
ENDS: Final = frozenset(".,;:!?…)]。！？：；，、")  # noqa: RUF001
TOKEN: Final = re.compile(f"[{UNSPACED}]|[^\\W{UNSPACED}]{{1,6}}|[^\\w\\s]")


def cut(document: Document) -> tuple[Passage, ...]:
    """In the document's order; the same text under the same headings is kept once."""
    title = _tidy(document.title)[:MAX_PLACE_CHARS]
    found: dict[str, Passage] = {}
    for headings, blocks in groupby(document.blocks, key=lambda block: block.headings):
        heading = _tidy(" > ".join(headings))[:MAX_PLACE_CHARS]
        for text in _packed(block.text for block in blocks):
            passage = make_passage(title, heading, text)
            found.setdefault(passage.passage_id, passage)
    return tuple(found.values())


def make_passage(document: str, heading: str, text: str) -> Passage:
    named = hashlib.sha256("\0".join((document, heading, text)).encode()).hexdigest()[:16]
    return Passage(named, document, heading, text)


def count_tokens(text: str) -> int:
    """About, and rather too many."""
    return sum(1 for _ in TOKEN.finditer(text))


def _packed(blocks: Iterable[str]) -> Iterator[str]:
    """Sentences, joined to as few pieces as hold them."""
    taken: list[str] = []
    size = 0
    for sentence in _sentences(blocks):
        more = count_tokens(sentence)
        if taken and size + more > MAX_TOKENS:
            yield _joined(taken)
            taken, size = [], 0
        taken.append(sentence)
        size += more
    if taken:
        yield _joined(taken)


def _joined(pieces: Sequence[str]) -> str:
    """Entries of a list, which end without a mark, are kept apart by one."""
    *before, last = pieces
    return "".join([*(f"{text} " if text[-1] in ENDS else f"{text}; " for text in before), last])


def _sentences(blocks: Iterable[str]) -> Iterator[str]:
    for block in blocks:
        for sentence in sentences(_tidy(block)):
            yield from _short(sentence)


def _short(sentence: str) -> Iterator[str]:
    """The sentence, in pieces where it is longer than a passage."""
    ends = [found.end() for found in TOKEN.finditer(sentence)]
    begin = first = 0
    while len(ends) - first > MAX_TOKENS:
        limit = ends[first + MAX_TOKENS - 1]
        blank = sentence.rfind(" ", ends[first], limit)
        end = blank if blank > 0 else limit
        yield sentence[begin:end].strip()
        begin, first = end, bisect_right(ends, end)
    yield sentence[begin:].strip()


def _tidy(text: str) -> str:
    """Without what nobody sees, on one line."""
    return " ".join(HALVES.sub("", INVISIBLE.sub("", LINE_BREAKS.sub("\n", text))).split())
