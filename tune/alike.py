"""Pairs of sets that are alike by Jaccard's measure: proposed by rare members, decided exactly.

If all members stand in one order, rarest first, two sets of likeness t or more have a common one among the first
x - ceil(t x) + 1 of the x that each holds (prefix filtering: Chaudhuri, Ganti & Kaushik 2006; Bayardo, Ma & Srikant
2007). So sets of which half is their own are never compared with anything. A member that very many sets have there
proposes to each only those nearest in size: of a crowd that is alike, each is found alike to some, and not to all.
Does not know what a set stands for.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from tune.shingles import Hashes, Ints, Sets, sort_once

CROWD: Final = 64
"""So many neighbours a member proposes to each set that has it."""
PAIRS_AT_ONCE: Final = 50_000
MEMBERS_AT_ONCE: Final = 1_000_000


class Alike(NamedTuple):
    """Places of two sets each, the first one lower, and how alike they are; in the order of places."""

    one: Ints
    other: Ints
    likeness: np.ndarray[tuple[int], np.dtype[np.float64]]


def find_alike(sets: Sets, *, threshold: float) -> Alike:
    """Every pair of likeness `threshold` (0..1) or more, but for those of a crowd."""
    if len(sets) < 2:
        return Alike(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    matrix = _by_rarity(sets)
    proposed = _propose(matrix, sets.sizes, threshold=threshold)
    found = [_measure(matrix, sets.sizes, pairs, threshold=threshold) for pairs in _at_once(proposed)]
    one, other, likeness = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Alike(one, other, likeness)


def _by_rarity(sets: Sets) -> csr_array:
    """(sets, members): the members that several sets hold, each row's rarest first."""
    shared, counts = _find_shared(sets.members)
    rank = np.empty(len(shared), np.int32)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(shared))
    row = np.repeat(np.arange(len(sets), dtype=np.int32), sets.sizes)
    rows, columns = [], []
    for start in range(0, len(sets.members), MEMBERS_AT_ONCE):
        some = sets.members[start : start + MEMBERS_AT_ONCE]
        place = np.searchsorted(shared, some)
        place[place == len(shared)] = 0
        kept = shared[place] == some if len(shared) else np.zeros(len(some), np.bool_)
        rows.append(row[start : start + MEMBERS_AT_ONCE][kept])
        columns.append(rank[place[kept]])
    row, column = (np.concatenate([np.empty(0, np.int32), *parts]) for parts in (rows, columns))
    matrix = csr_array((np.ones(len(row), np.int8), (row, column)), shape=(len(sets), max(len(shared), 1)))
    matrix.sort_indices()
    return matrix


def _find_shared(members: Hashes) -> tuple[Hashes, Ints]:
    """What stands there more than once, in order, and how often."""
    ordered = np.sort(members)
    begins = np.flatnonzero(np.concatenate([np.ones(1, np.bool_), ordered[1:] != ordered[:-1], np.ones(1, np.bool_)]))
    counts = np.diff(begins)
    is_shared = counts > 1
    return ordered[begins[:-1][is_shared]], counts[is_shared]


def _propose(matrix: csr_array, sizes: Ints, *, threshold: float) -> Ints:
    """Pairs that share one of their rarest members, as one number each: lower place times n, and the higher one."""
    held = np.diff(matrix.indptr)
    rarest = sizes - np.ceil(threshold * sizes).astype(np.int64) + 1 - (sizes - held)
    row = np.repeat(np.arange(len(held)), held)
    is_rare = np.arange(len(row)) - matrix.indptr[:-1][row] < rarest[row]
    row, member = row[is_rare], matrix.indices[is_rare]
    order = np.lexsort((row, sizes[row], member))
    row, member = row[order], member[order]
    found = [np.empty(0, np.int64)]
    for distance in range(1, CROWD + 1):
        near = np.flatnonzero(member[distance:] == member[:-distance])
        if not len(near):
            break
        one, other = row[near], row[near + distance]
        # In the order of sizes: the other is the larger one.
        may_be = sizes[one] >= threshold * sizes[other]
        one, other = one[may_be], other[may_be]
        found.append(np.minimum(one, other) * len(held) + np.maximum(one, other))
    return sort_once(np.concatenate(found))


def _measure(matrix: csr_array, sizes: Ints, pairs: Ints, *, threshold: float) -> Alike:
    one, other = np.divmod(pairs, matrix.shape[0])
    both = np.diff(matrix[one].multiply(matrix[other]).tocsr().indptr)
    likeness = both / (sizes[one] + sizes[other] - both)
    is_alike = likeness >= threshold
    return Alike(one[is_alike], other[is_alike], likeness[is_alike])


def _at_once(pairs: Ints) -> Iterator[Ints]:
    for start in range(0, max(len(pairs), 1), PAIRS_AT_ONCE):
        yield pairs[start : start + PAIRS_AT_ONCE]
