"""A model that was trained whole is served as the nearest adapter, and says how near that is."""

import copy
from pathlib import Path
from typing import Any

import pytest

from tune.recipe import Recipe

from .test_model import tiny

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def moved(base: Any, *, rank: int) -> Any:
    """A copy whose linear layers moved by matrices of that rank."""
    import torch

    whole = copy.deepcopy(base)
    dice = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in whole.named_parameters():
            if "proj" in name:
                out, into = parameter.shape
                left, right = torch.randn(out, rank, generator=dice), torch.randn(rank, into, generator=dice)
                parameter.add_(left @ right, alpha=0.05)
    return whole


@pytest.mark.parametrize(("rank", "off"), [(0, 0.0), (2, 0.01)])
def test_a_difference_of_its_rank_is_the_adapter(rank: int, off: float, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    from tune.model import export_adapter
    from tune.whole import fit_adapter

    base = tiny("llama")
    untouched = copy.deepcopy(base)
    whole = moved(base, rank=rank)
    ids = torch.arange(1, 20)[None]
    with torch.no_grad():
        wanted, before = whole(input_ids=ids).logits, base(input_ids=ids).logits
    share = fit_adapter(base, whole, Recipe(base_model="tiny", dataset="d", rank=2, alpha=8), target=tmp_path / "saved")
    assert share == pytest.approx(1)
    export_adapter(tmp_path / "saved", tmp_path / "adapter", base_model="tiny")
    served: Any = PeftModel.from_pretrained(untouched, tmp_path / "adapter").eval()
    with torch.no_grad():
        found = served(input_ids=ids).logits
    assert (found - wanted).norm() <= off * (before - wanted).norm()


def test_of_a_larger_difference_the_largest_singular_values_are_held(tmp_path: Path) -> None:
    import torch

    from tune.whole import fit_adapter

    base = tiny("llama")
    whole = moved(base, rank=8)
    learnt = dict(whole.named_parameters())
    values = [
        torch.linalg.svdvals((learnt[name] - weight).detach()).square()
        for name, weight in base.named_parameters()
        if "proj" in name
    ]
    expected = sum(float(of_layer[:2].sum()) for of_layer in values) / sum(float(of_layer.sum()) for of_layer in values)
    share = fit_adapter(base, whole, Recipe(base_model="tiny", dataset="d", rank=2), target=tmp_path / "saved")
    assert 0.3 < share < 0.9
    assert share == pytest.approx(expected, rel=1e-4)


def test_what_lies_outside_the_layers_with_an_adapter_is_missing_from_the_share(tmp_path: Path) -> None:
    import torch

    from tune.whole import fit_adapter

    base = tiny("llama")
    whole = copy.deepcopy(base)
    with torch.no_grad():
        whole.model.norm.weight.add_(1.0)  # 32 weights
        whole.model.layers[0].mlp.up_proj.weight[0, :32].add_(1.0)  # 32 weights, of rank 1
    share = fit_adapter(base, whole, Recipe(base_model="tiny", dataset="d", rank=2), target=tmp_path / "saved")
    assert share == pytest.approx(0.5, abs=1e-4)
