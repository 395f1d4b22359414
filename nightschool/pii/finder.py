"""Every recogniser on one text: what has a shape, and with a model also names and numbers with a check digit.

Does not know what becomes of what it finds (`nightschool.pii.mask`).
"""

from collections.abc import Iterator, Sequence
from itertools import repeat

from nightschool.pii.names import NameFinder
from nightschool.pii.patterns import find_shaped
from nightschool.pii.spans import Span, settle


class Finder:
    """`names` is what finds names; None finds what has a shape alone, thousands of texts a second."""

    def __init__(self, names: NameFinder | None = None) -> None:
        self._names = names

    @property
    def recognisers(self) -> tuple[str, ...]:
        """What runs, for a report."""
        return ("patterns", *(self._names.recognisers if self._names else ()))

    def find(self, texts: Sequence[str]) -> Iterator[list[Span]]:
        """For each text, in its order and none over another."""
        named = self._names.find(texts) if self._names else repeat([])
        for text, spans in zip(texts, named, strict=False):
            yield settle([*find_shaped(text), *spans])
