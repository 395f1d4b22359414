"""Find out which runs of 13 words one collection of texts has in common with another, in columns of hashes.

Words are those of `tune.shingles`: capitals and marks do not count, long numbers are masked. A character of a script
that writes no blanks counts half a word, so a run of such text is 26 characters, and one of mixed text lies between.
Two unlike runs have the same 64 bits once in a hundred thousand nights of a million messages. Does not know whose texts
they are.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tune.shingles import TEXTS_AT_ONCE, UNSPACED_LETTER, Hashes, Ints, hash_word, sort_once, split_words

PASSAGE_WORDS: Final = 13
"""As in Brown et al. 2020, app. C: shorter runs are shared by chance."""
LETTER: Final = 1
"""This bit of a word's hash says that it is half a word."""
BASE: Final = 0x9E3779B97F4A7C15
INVERSE: Final = pow(BASE, -1, 2**64)
MOST_TABLE_BITS: Final = 26


@dataclass(frozen=True, slots=True)
class Passages:
    """Of n texts."""

    runs: Hashes
    """Every run of 13 words within one of them."""
    of: Ints
    """Of each run the place of its text."""
    wholes: Hashes
    """(n,) all words of each as one hash."""
    words: Ints
    """(n,) how many that are."""


class PassageReader:
    """Reads texts; remembers the words that it has met."""

    def __init__(self) -> None:
        self._hashes = _MarkedHashes()

    def read(self, texts: Iterable[str]) -> Iterator[Passages]:
        """So many texts at once as take little memory, in their order."""
        left = iter(texts)
        while some := list(islice(left, TEXTS_AT_ONCE)):
            yield self._read(some)

    def _read(self, texts: Sequence[str]) -> Passages:
        found = array("Q")
        counts = np.empty(len(texts), np.int64)
        for place, text in enumerate(texts):
            words = split_words(text)
            found.extend(map(self._hashes.__getitem__, words))
            counts[place] = len(words)
        words_ = np.frombuffer(found, np.uint64) if found else np.empty(0, np.uint64)
        ends = np.cumsum(counts)
        hashed = _Rolling(words_)
        first = np.arange(len(words_))
        behind = _behind(words_)
        of = np.repeat(np.arange(len(texts)), counts)
        inside = behind <= ends[of]
        return Passages(hashed.of(first[inside], behind[inside]), of[inside], hashed.of(ends - counts, ends), counts)


class Found(NamedTuple):
    places: Ints
    """Where in what was asked for one stands that is known."""
    which: Ints
    """Of the known ones, in order."""


class Known:
    """A set of hashes, asked for many at once."""

    def __init__(self, hashes: Hashes) -> None:
        self.hashes = sort_once(hashes)
        bits = min(len(self.hashes).bit_length() + 4, MOST_TABLE_BITS)
        self._shift = np.uint64(64 - bits)
        # Most of what is asked for is unknown: a look at one byte says so without a search.
        self._table = np.zeros(2**bits, np.bool_)
        self._table[self.hashes >> self._shift] = True

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, hashes: Hashes) -> Found:
        """Those of `hashes` that are known."""
        maybe = np.flatnonzero(self._table[hashes >> self._shift])
        which = np.searchsorted(self.hashes, hashes[maybe])
        is_known = which < len(self.hashes)
        is_known[is_known] = self.hashes[which[is_known]] == hashes[maybe[is_known]]
        return Found(maybe[is_known], which[is_known])


class _MarkedHashes(dict[str, int]):
    """The hash of each word, whose lowest bit says whether it is a character of a script without blanks."""

    def __missing__(self, word: str) -> int:
        is_letter = UNSPACED_LETTER.fullmatch(word) is not None
        value = hash_word(word) & ~LETTER | is_letter * LETTER
        self[word] = value
        return value


class _Rolling:
    """The hash of any run of the words: a polynomial, from sums that are made once."""

    def __init__(self, words: Hashes) -> None:
        size = np.ones(len(words) + 1, np.uint64)
        powers, self._inverse = size.copy(), size
        powers[1:], self._inverse[1:] = np.uint64(BASE), np.uint64(INVERSE)
        np.multiply.accumulate(powers, out=powers)
        np.multiply.accumulate(self._inverse, out=self._inverse)
        self._sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(words * powers[:-1], dtype=np.uint64)])

    def of(self, first: Ints, behind: Ints) -> Hashes:
        """Of the words from `first` up to the one before `behind`."""
        hashes: Hashes = (self._sums[behind] - self._sums[first]) * self._inverse[first]
        return hashes


def _behind(words: Hashes) -> Ints:
    """Of each word the place behind the run that begins with it; one beyond all where there is too little left."""
    letters: NDArray[np.uint64] = words & np.uint64(LETTER)
    if not letters.any():
        return np.arange(len(words)) + PASSAGE_WORDS
    halves = np.concatenate([np.zeros(1, np.int64), np.cumsum(2 - letters.astype(np.int64))])
    behind: Ints = np.searchsorted(halves, halves[:-1] + 2 * PASSAGE_WORDS)
    return behind
