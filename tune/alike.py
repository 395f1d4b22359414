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

from tune.shingles import Ints, Sets, sort_once

CROWD: Final = 64
"""So many neighbours a member proposes to each set that has it."""
PAIRS_AT_ONCE: Final = 50_000


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
    members, column, counts = np.unique(sets.members, return_inverse=True, return_counts=True)
    is_shared = counts > 1
    rank = np.empty(len(members), np.int32)
    rank[np.argsort(np.where(is_shared, counts, np.iinfo(np.int64).max), kind="stable")] = np.arange(len(members))
    row = np.repeat(np.arange(len(sets), dtype=np.int32), sets.sizes)
    kept = is_shared[column]
    entries = (np.ones(np.count_nonzero(kept), np.int8), (row[kept], rank[column[kept]]))
    matrix = csr_array(entries, shape=(len(sets), max(np.count_nonzero(is_shared), 1)))
    matrix.sort_indices()
    return matrix


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
