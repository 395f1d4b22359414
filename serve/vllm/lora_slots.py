"""The mathematics of merged slots: which token belongs to which adapter, and a linear layer that has many weights.

A slot is vLLM's word for the place of one live adapter, numbered from 0; BASE_SLOT stands for no adapter. For each slot
a layer keeps the packed product of W + B A (as fast as the bare base), or, where the memory budget is spent, the base
product and two thin ones.
Does not know vLLM: packing is handed in, so all of this is tested with small tensors. Not safe for use by two threads;
vLLM loads adapters and computes steps in one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import torch
from torch import Tensor

BASE_SLOT: Final = -1

Product = Callable[[Tensor, Tensor | None], Tensor]
"""(rows, K) and bias (N,) or none -> (rows, N)."""
Pack = Callable[[Tensor], Product]
"""Dense (N, K) weight -> its product in the layout that the machine multiplies fastest."""


class Span(NamedTuple):
    """Rows `start` to `stop`, after ordering, belong to `slot`."""

    slot: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Grouping:
    """The tokens of one step by slot. `order` sorts rows by slot; none where they are sorted as they come."""

    rows: int
    spans: tuple[Span, ...]
    order: Tensor | None


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
    return Grouping(len(order), tuple(spans), None if is_sorted else torch.tensor(order))


class Delta(NamedTuple):
    """What an adapter adds to one layer: `up` (N, R) @ `down` (R, K); packed slices stand block by block in `up`."""

    down: Tensor
    up: Tensor


def stack_delta(downs: Sequence[Tensor], ups: Sequence[Tensor]) -> Delta | None:
    """One delta from the slices (q, k, v or gate, up; one for plain layers); none where it adds nothing.

    downs[i] is (rank, K) and ups[i] (N_i, rank), padded with zeros up to vLLM's maximum rank; the padding is dropped.
    """
    live = [down.any(dim=1) & up.any(dim=0) for down, up in zip(downs, ups, strict=True)]
    if not any(bool(mask.any()) for mask in live):
        return None
    down = torch.cat([down[mask] for down, mask in zip(downs, live, strict=True)])
    up = torch.block_diag(*[up[:, mask] for up, mask in zip(ups, live, strict=True)])
    return Delta(down, up.to(down.dtype))


def merge_weight(dense: Tensor, delta: Delta) -> Tensor:
    """W + B A, added up in fp32 and rounded once to the type of W. vLLM has already folded alpha / r into B."""
    merged = torch.addmm(dense.float(), delta.up.float(), delta.down.float())
    return merged.to(dense.dtype)


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


@dataclass(slots=True)
class SlottedLinear:
    """One linear layer with a weight for each slot. A slot that was never filled, or adds nothing here, is base."""

    base: Product
    dense: Tensor
    pack: Pack
    budget: MergeBudget
    _products: dict[int, Product] = field(default_factory=dict)
    _merged: set[int] = field(default_factory=set)

    def fill(self, slot: int, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> None:
        """Give `slot` the weight of another adapter; whatever it held before is gone."""
        self.clear(slot)
        delta = stack_delta(downs, ups)
        if delta is None:
            return
        if self.budget.take(self.dense.nbytes):
            self._merged.add(slot)
            self._products[slot] = self.pack(merge_weight(self.dense, delta))
        else:
            self._products[slot] = _low_rank_product(self.base, self.pack(delta.down), self.pack(delta.up))

    def clear(self, slot: int) -> None:
        self._products.pop(slot, None)
        if slot in self._merged:
            self._merged.remove(slot)
            self.budget.give_back(self.dense.nbytes)

    def apply(self, x: Tensor, bias: Tensor | None, grouping: Grouping) -> Tensor:
        """x (rows, K) -> (rows, N), each row by the weight of its own slot."""
        products = [self._products.get(span.slot, self.base) for span in grouping.spans] or [self.base]
        if all(product is products[0] for product in products):
            return products[0](x, bias)
        if x.shape[0] != grouping.rows:
            raise ValueError(f"{x.shape[0]} rows reached a layer in a step of {grouping.rows} tokens")
        ordered = x if grouping.order is None else x.index_select(0, grouping.order)
        parts = [
            product(ordered[span.start : span.stop], bias)
            for product, span in zip(products, grouping.spans, strict=True)
        ]
        y = torch.cat(parts)
        return y if grouping.order is None else torch.empty_like(y).index_copy_(0, grouping.order, y)


def _low_rank_product(base: Product, down: Product, up: Product) -> Product:
    def product(x: Tensor, bias: Tensor | None) -> Tensor:
        return base(x, bias).add_(up(down(x, None), None))

    return product
