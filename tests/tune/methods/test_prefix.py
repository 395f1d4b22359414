from pathlib import Path
from typing import Any

import pytest

from tune.recipe import Recipe

pytestmark = pytest.mark.train


def grown(base_model: Path) -> Any:
    """A model whose adapter is no longer the zero it starts as."""
    import torch

    from tune.model import add_adapter, load_base

    base = load_base(str(base_model), device="cpu", dtype=torch.float32)
    model = add_adapter(base, Recipe(base_model="tiny", dataset="d", rank=4, alpha=8))
    dice = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=dice) * 0.1
    return model.train()


def gradients(model: Any) -> dict[str, Any]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("shared", [0, 1, 9])
def test_packed_rows_give_the_loss_and_gradients_that_peft_gives_one_by_one(base_model: Path, shared: int) -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from tune.methods.fused import fuse_adapter
    from tune.methods.prefix import common_prefix, pack, packed_losses, share_prefix

    start = list(range(40, 40 + shared))
    rows = [start + [n + 5 * k for k in range(4 + n)] for n in range(1, 5)]
    labels = [[-100] * (shared + 2) + row[shared + 2 :] for row in rows]

    model = grown(base_model)
    expected: Any = torch.zeros(())
    for row, label in zip(rows, labels, strict=True):
        logits = model(input_ids=torch.tensor([row])).logits[0, :-1]
        expected = expected + cross_entropy(logits, torch.tensor(label[1:]), reduction="sum")
    expected.backward()
    reference = gradients(model)
    model.zero_grad()

    fuse_adapter(model)
    share_prefix(model.get_base_model())
    assert common_prefix(rows, labels) == shared
    loss: Any = packed_losses(model, pack(rows, labels, prefix_tokens=shared)).sum()
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    found = gradients(model)
    assert found.keys() == reference.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, reference[name], rtol=1e-4, atol=1e-5)


def test_equal_rows_share_nothing_that_predicts_an_answer() -> None:
    from tune.methods.prefix import common_prefix

    rows = [[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]]
    assert common_prefix(rows, [[-100, -100, -100, 4, 5], [-100, -100, 3, 4, 5]]) == 1
    assert common_prefix([[1, 2, 3]], [[-100, 2, 3]]) == 0


def test_the_loss_head_is_that_of_the_whole_vocabulary() -> None:
    import torch
    from torch.nn.functional import cross_entropy

    from tune.methods.fused import SLICE, head_losses

    torch.manual_seed(1)
    head = torch.nn.Linear(16, 50, bias=False).requires_grad_(False)
    labels = torch.randint(50, (SLICE + 7,))
    one = torch.randn(SLICE + 7, 16, requires_grad=True)
    other = one.detach().clone().requires_grad_()
    weights = torch.rand(SLICE + 7)
    losses: list[Any] = [head_losses(one, labels, head=head), cross_entropy(head(other), labels, reduction="none")]
    for loss in losses:
        (loss * weights).sum().backward()
    torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)
