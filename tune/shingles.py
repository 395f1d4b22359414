"""Texts as sets of hashed shingles: runs of words, numbers masked, in columns rather than objects.

Scripts that write no blanks (Chinese, Japanese, Thai and the like) are read by characters. A shingle is 52 bits of a
hash that is the same in every process, so a million texts are a few arrays and two texts in a million million share a
shingle by accident. Does not know what likeness means.
"""

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from nightschool.text import UNSPACED

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.uint64)

UNSPACED_LETTER: Final = re.compile(f"[{UNSPACED}]")
WORD: Final = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")
ASCII_WORD: Final = re.compile(r"\w+", re.ASCII)
NUMBER: Final = re.compile(r"\d{3,}")
TEXTS_AT_ONCE: Final = 4_096
HASH_BITS: Final = np.uint64(52)
"""The other 12 number the texts that are at hand at once."""
MASK: Final = np.uint64(2**52 - 1)
ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Knuth's multiplier."""


@dataclass(frozen=True, slots=True)
class Sets:
    """n sets of hashed members: those of set i are `members[starts[i] : starts[i + 1]]`, each once, in order."""

    members: Hashes
    starts: Ints
    """(n + 1,)"""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts)

    def only(self, chosen: Ints) -> "Sets":
        """Some of them; `chosen` in ascending order."""
        if len(chosen) == len(self):
            return self
        sizes = self.sizes[chosen]
        starts = _starts(sizes)
        places = np.repeat(self.starts[:-1][chosen] - starts[:-1], sizes) + np.arange(starts[-1])
        return Sets(self.members[places], starts)


class Distinct(NamedTuple):
    sets: Sets
    first: Ints
    """Of each the place where it first stood."""
    which: Ints
    """Of each set that was given its place among the distinct ones."""


def distinct(sets: Sets) -> Distinct:
    """Equal sets once, in the order in which they first stand."""
    sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(_mix(sets.members), dtype=np.uint64)])
    _, first, which = np.unique(sums[sets.starts[1:]] - sums[sets.starts[:-1]], return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return Distinct(sets.only(first[order]), first[order], place[which])


class Shingler:
    """Makes sets of texts; remembers the words that it has met."""

    def __init__(self) -> None:
        self._hashes = _WordHashes()

    def pairs(self, texts: Iterable[str], *, least_words: int) -> Sets:
        """Words and word pairs of each text; none of one that has fewer words than `least_words`."""
        return self._shingle(texts, lengths=(1, 2), least_words=least_words)

    def triples(self, texts: Iterable[str]) -> Sets:
        """Word triples of each text; of one that is shorter, all its words as one shingle."""
        return self._shingle(texts, lengths=(3,), least_words=1)

    def _shingle(self, texts: Iterable[str], *, lengths: Sequence[int], least_words: int) -> Sets:
        members: list[Hashes] = []
        sizes: list[Ints] = []
        for some in _at_once(texts):
            keys = self._keys(some, lengths=lengths, least_words=least_words)
            members.append(keys & MASK)
            sizes.append(np.bincount((keys >> HASH_BITS).astype(np.int64), minlength=len(some)))
        return Sets(
            np.concatenate([np.empty(0, np.uint64), *members]),
            _starts(np.concatenate([np.empty(0, np.int64), *sizes])),
        )

    def _keys(self, texts: Sequence[str], *, lengths: Sequence[int], least_words: int) -> Hashes:
        """Text and shingle in one number each, sorted, each once."""
        found = array("Q")
        counts = np.empty(len(texts), np.int64)
        for place, text in enumerate(texts):
            words = split_words(text)
            found.extend(map(self._hashes.__getitem__, words))
            counts[place] = len(words)
        words_ = np.frombuffer(found, np.uint64) if found else np.empty(0, np.uint64)
        of = np.repeat(np.arange(len(texts)), counts)
        whole = [length for length in range(1, max(lengths)) if length not in lengths]
        runs = [
            _runs(words_, of, length=length, among=counts >= least_words if length in lengths else counts == length)
            for length in (*lengths, *whole)
        ]
        return sort_once(np.concatenate(runs))


class _WordHashes(dict[str, int]):
    """The hash of each word that was met."""

    def __missing__(self, word: str) -> int:
        value = hash_word(word)
        self[word] = value
        return value


def hash_word(word: str) -> int:
    """64 bits, the same in every process; long numbers are one and the same."""
    return int.from_bytes(hashlib.blake2b(NUMBER.sub("0", word).encode(), digest_size=8).digest())


def sort_once(numbers: NDArray[Number]) -> NDArray[Number]:
    """In order, each once. NumPy's own `unique` hashes first, which costs ten times as much."""
    ordered = np.sort(numbers)
    is_first = np.concatenate([np.ones(min(len(ordered), 1), np.bool_), ordered[1:] != ordered[:-1]])
    once: NDArray[Number] = ordered[is_first]
    return once


def split_words(text: str) -> list[str]:
    if text.isascii():
        return ASCII_WORD.findall(text.lower())
    return WORD.findall(NUMBER.sub("0", unicodedata.normalize("NFKC", text).casefold()))


def _runs(words: Hashes, of: Ints, *, length: int, among: NDArray[np.bool_]) -> Hashes:
    """Every run of so many words that stand in one of the texts `among`, hashed, behind its text's number."""
    ends = max(len(words) - length + 1, 0)
    hashed = words[:ends]
    for place in range(1, length):
        hashed = _mix(hashed) + words[place : ends + place]
    first = of[:ends]
    inside = (first == of[length - 1 :]) & among[first]
    keys: Hashes = (first[inside].astype(np.uint64) << HASH_BITS) | (_mix(hashed[inside]) >> np.uint64(12))
    return keys


def _mix(hashes: Hashes) -> Hashes:
    """As a splitmix64 step: every bit of the input moves every upper bit of the outcome."""
    half = (hashes ^ (hashes >> np.uint64(31))) * ODD
    return np.asarray((half ^ (half >> np.uint64(29))) * ODD, np.uint64)


def _starts(sizes: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])


def _at_once(texts: Iterable[str]) -> Iterator[list[str]]:
    left = iter(texts)
    while some := list(islice(left, TEXTS_AT_ONCE)):
        yield some
