"""The mathematics of merged slots: which token belongs to which adapter, and a linear layer that has many weights.

A slot is vLLM's word for the place of one live adapter, numbered from 0; BASE_SLOT stands for no adapter. A layer can
multiply in three ways, all right, and takes the cheapest: the packed product of W + B A where all rows belong to one
slot; in a mixed step the base product for all rows and, beside it, the thin matrices of all slots stacked into two,
where each row keeps its own slot's columns; or, in a long mixed step (prefill), one packed product per slot.
Does not know vLLM: packing is handed in, so all of this is tested with small tensors. Not safe for use by two threads;
vLLM loads adapters and computes steps in one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import torch
from torch import Tensor

BASE_SLOT: Final = -1
ROWS_PER_READ: Final = 16
"""Reading a packed weight costs as much as multiplying so many rows by it (16 to 19, timed on an AVX2 CPU)."""
DROPPED_BITS: Final = 16
"""Of an fp32 number, where it becomes a bf16 one."""
DICE: Final = 17

Product = Callable[[Tensor, Tensor | None], Tensor]
"""(rows, K) and bias (N,) or none -> (rows, N)."""
Pack = Callable[[Tensor], Product]
"""Dense (N, K) weight -> its product in the layout that the machine multiplies fastest."""


class Span(NamedTuple):
    """Rows `start` to `stop`, after ordering, belong to `slot`."""

    slot: int
    start: int
    stop: int


class Columns(NamedTuple):
    """So many columns of a stack belong to `slot`."""

    slot: int
    width: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """The tokens of one step by slot. `order` sorts rows by slot; none where they are sorted as they come."""

    slots: Tensor
    spans: tuple[Span, ...]
    order: Tensor | None
    _foreign: dict[tuple[Columns, ...], Tensor] = field(default_factory=dict)

    def foreign(self, columns: tuple[Columns, ...]) -> Tensor:
        """(rows, columns) true where a column belongs to another slot than the row; the same for all layers alike."""
        mask = self._foreign.get(columns)
        if mask is None:
            owners = torch.tensor([slot for slot, width in columns for _ in range(width)])
            mask = self._foreign[columns] = self.slots[:, None] != owners
        return mask


def group_tokens(slots: Sequence[int]) -> Grouping:
    """Group a step's tokens; `slots` holds the slot of each, in the step's order."""
    by_slot: dict[int, list[int]] = {}
    for row, slot in enumerate(slots):
        by_slot.setdefault(slot, []).append(row)
    spans: list[Span] = []
    order: list[int] = []
    for slot, rows in sorted(by_slot.items()):
        spans.append(Span(slot, len(order), len(order) + len(rows)))
        order += rows
    is_sorted = all(row == place for place, row in enumerate(order))
    return Grouping(torch.tensor(slots, dtype=torch.long), tuple(spans), None if is_sorted else torch.tensor(order))


class Delta(NamedTuple):
    """What an adapter adds to one layer: `up` (N, R) @ `down` (R, K); packed slices stand block by block in `up`."""

    down: Tensor
    up: Tensor


def stack_delta(downs: Sequence[Tensor], ups: Sequence[Tensor]) -> Delta | None:
    """One delta from the slices (q, k, v or gate, up; one for plain layers); none where it adds nothing.

    downs[i] is (rank, K) and ups[i] (N_i, rank), padded with zeros up to vLLM's maximum rank; the padding is dropped.
    """
    if not all(bool(thin.isfinite().all()) for thin in (*downs, *ups)):
        # Columns are masked by slot, but 0 x NaN is NaN: it would reach the other models' rows.
        raise ValueError("the adapter's weights are not finite")
    live = [down.any(dim=1) & up.any(dim=0) for down, up in zip(downs, ups, strict=True)]
    if not any(bool(mask.any()) for mask in live):
        return None
    down = torch.cat([down[mask] for down, mask in zip(downs, live, strict=True)])
    blocks = [up[:, mask] for up, mask in zip(ups, live, strict=True)]
    up: Tensor = torch.block_diag(*blocks)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return Delta(down, up.to(down.dtype))


def merge_weight(dense: Tensor, delta: Delta) -> Tensor:
    """W + B A, added up in fp32 and rounded to the type of W. vLLM has already folded alpha / r into B."""
    merged = torch.addmm(dense.float(), delta.up.float(), delta.down.float())
    return _round_by_chance(merged) if dense.dtype is torch.bfloat16 else merged.to(dense.dtype)


def _round_by_chance(exact: Tensor) -> Tensor:
    """fp32 to bf16, to the neighbour above or below as likely as the number is near to it, by the same dice each time.

    To the nearest, a weight that should move by less than half a step does not move: of an adapter of few steps half of
    them stayed, and some kinds of layers were as if they had none. By chance the moves are right in the mean, and a sum
    over a row averages the rest (Gupta et al. 2015, *Deep Learning with Limited Numerical Precision*, ICML).
    """
    dice = torch.Generator().manual_seed(DICE)
    bits = exact.view(torch.int32)
    drawn = torch.randint(1 << DROPPED_BITS, bits.shape, generator=dice, dtype=torch.int32)
    return ((bits + drawn) >> DROPPED_BITS << DROPPED_BITS).view(torch.float32).to(torch.bfloat16)


@dataclass(slots=True)
class MergeBudget:
    """Bytes that all merged copies of all layers may take together."""

    limit_bytes: int
    taken_bytes: int = 0

    def take(self, size_bytes: int) -> bool:
        if self.taken_bytes + size_bytes > self.limit_bytes:
            return False
        self.taken_bytes += size_bytes
        return True

    def give_back(self, size_bytes: int) -> None:
        self.taken_bytes -= size_bytes


class Stack(NamedTuple):
    """The deltas of all slots side by side, packed. `share`: its multiplications as a share of the base product's."""

    down: Product
    up: Product
    columns: tuple[Columns, ...]
    share: float


@dataclass(slots=True)
class SlottedLinear:
    """One linear layer with a weight for each slot. A slot that was never filled, or adds nothing here, is base."""

    base: Product
    dense: Tensor
    pack: Pack
    budget: MergeBudget
    _deltas: dict[int, Delta] = field(default_factory=dict)
    _merged: dict[int, Product] = field(default_factory=dict)
    _stack: Stack | None = None

    def fill(self, slot: int, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> None:
        """Give `slot` the weight of another adapter; whatever it held before is gone."""
        self.clear(slot)
        delta = stack_delta(downs, ups)
        if delta is None:
            return
        self._deltas[slot] = delta
        self._restack()
        if self.budget.take(self.dense.nbytes):
            self._merged[slot] = self.pack(merge_weight(self.dense, delta))

    def clear(self, slot: int) -> None:
        if self._deltas.pop(slot, None) is not None:
            self._restack()
        if self._merged.pop(slot, None) is not None:
            self.budget.give_back(self.dense.nbytes)

    def apply(self, x: Tensor, bias: Tensor | None, grouping: Grouping) -> Tensor:
        """x (rows, K) -> (rows, N), each row by the weight of its own slot."""
        changing = sum(span.slot in self._deltas for span in grouping.spans)
        stack = self._stack
        if not changing or stack is None:
            return self.base(x, bias)
        if changing == len(grouping.spans) == 1 and grouping.spans[0].slot in self._merged:
            return self._merged[grouping.spans[0].slot](x, bias)
        if x.shape[0] != len(grouping.slots):
            raise ValueError(f"{x.shape[0]} rows reached a layer in a step of {len(grouping.slots)} tokens")
        is_long = x.shape[0] * stack.share > ROWS_PER_READ * (len(grouping.spans) - 1)
        if is_long and all(span.slot in self._merged or span.slot not in self._deltas for span in grouping.spans):
            return self._apply_by_span(x, bias, grouping)
        thin = stack.down(x, None).masked_fill_(grouping.foreign(stack.columns), 0)
        return self.base(x, bias).add_(stack.up(thin, None))

    def _apply_by_span(self, x: Tensor, bias: Tensor | None, grouping: Grouping) -> Tensor:
        ordered = x if grouping.order is None else x.index_select(0, grouping.order)
        y = torch.cat(
            [self._merged.get(slot, self.base)(ordered[start:stop], bias) for slot, start, stop in grouping.spans]
        )
        return y if grouping.order is None else torch.empty_like(y).index_copy_(0, grouping.order, y)

    def _restack(self) -> None:
        if not self._deltas:
            self._stack = None
            return
        down = torch.cat([delta.down for delta in self._deltas.values()])
        up = torch.cat([delta.up for delta in self._deltas.values()], dim=1)
        columns = tuple(Columns(slot, delta.down.shape[0]) for slot, delta in self._deltas.items())
        share = (down.numel() + up.numel()) / self.dense.numel()
        self._stack = Stack(self.pack(down), self.pack(up), columns, share)
