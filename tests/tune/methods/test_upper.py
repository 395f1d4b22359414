"""From what a frozen lower half leaves of a row, log-likelihoods and gradients are those of the whole model."""

import logging
from pathlib import Path
from typing import Any

import pytest

from tune.recipe import Recipe

from ..test_model import SIZES
from .test_prefix import gradients
from .test_prove import PLAIN_ONES, SURE, make_rows, measure

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def adapt_top(family: str, *, share: float = 0.5, **more: Any) -> Any:
    """A small random model of four layers whose topmost share has an adapter that is no longer zero."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from tune.model import add_adapter

    set_seed(5)
    config = AutoConfig.for_model(family, **SIZES | SURE | {"num_hidden_layers": 4} | more)
    how = {"attn_implementation": "eager"}
    base = AutoModelForCausalLM.from_config(config, dtype=torch.float32, **how)  # type: ignore[no-untyped-call]
    model = add_adapter(base, Recipe(base_model=family, dataset="d", rank=4, alpha=8, layers_share=share))
    dice = torch.Generator().manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            weight.data = torch.randn(weight.shape, generator=dice) * 0.1
    return model.train()


def choose(model: Any, kept: Path, *, rows: Any = None, limit_bytes: int = 2**24) -> Any:
    from tune.methods.prove import Keeping, choose_arithmetic
    from tune.methods.shelf import Shelf

    shelf = Shelf(kept, limit_bytes=limit_bytes, spare_bytes=0)
    return choose_arithmetic(model, rows or make_rows(6, seed=1), device="cpu", keeping=Keeping(shelf, "base"))


def test_only_the_topmost_share_gets_an_adapter(tmp_path: Path) -> None:
    from peft import PeftModel

    from tune.blocks import count_frozen

    model = adapt_top("llama", share=0.3)
    adapted = {name.split(".")[4] for name, _ in model.named_parameters() if "lora_" in name}
    assert (adapted, count_frozen(model)) == ({"2", "3"}, 2)
    model.save_pretrained(str(tmp_path))
    again = PeftModel.from_pretrained(adapt_top("llama", share=1).unload(), tmp_path, is_trainable=True)
    assert count_frozen(again) == 2
    assert count_frozen(adapt_top("llama", share=1)) == 0


@pytest.mark.parametrize("family", PLAIN_ONES)
def test_the_upper_half_is_every_plain_familys_own(family: str, tmp_path: Path) -> None:
    import torch

    from tune.methods.arithmetic import Plain

    model, others = adapt_top(family, **PLAIN_ONES[family]), make_rows(4, seed=2)
    weights = torch.tensor([0.5, 2.0, 1.0, 0.1])
    wanted = measure(model, (Plain("cpu").measure(model, others) * weights).sum())
    upper = choose(model, tmp_path)
    assert upper.name == "lean upper half"
    for _ in range(2):  # the second time from disk
        found = measure(model, (upper.measure(model, others) * weights).sum())
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4 * float(value.abs().max()))


@pytest.mark.parametrize(
    ("family", "more", "expected"),
    [
        ("gemma2", {"head_dim": 8, "final_logit_softcapping": 3.0, "attn_logit_softcapping": None}, "fused upper half"),
        ("cohere", {"logit_scale": 0.25}, "fused upper half"),
        ("llama", {"attention_dropout": 0.1}, "plain"),
    ],
)
def test_it_goes_with_whatever_arithmetic_is_right(
    family: str, more: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    assert choose(adapt_top(family, **more), tmp_path).name == expected
    assert (expected == "plain") is not any(tmp_path.rglob("*.safetensors"))


def test_a_row_goes_through_the_lower_half_once_in_its_life(tmp_path: Path) -> None:
    import torch

    rows, asked = make_rows(5, seed=3), []
    first = choose(adapt_top("llama"), tmp_path)
    with torch.no_grad():
        found = first.measure(None, rows)
    model = adapt_top("llama")
    second = choose(model, tmp_path)
    model.get_submodule("base_model.model.model.layers.0.mlp").register_forward_hook(lambda *_: asked.append(1))
    with torch.no_grad():
        again = second.measure(None, rows)
        assert not asked
        second.measure(None, make_rows(6, seed=4)[5:])
    assert torch.equal(found, again)
    assert len(asked) == 1


def test_numbers_are_the_same_to_the_bit_whatever_was_kept_before(tmp_path: Path) -> None:
    import torch

    rows = make_rows(5, seed=3)
    results = []
    for folder, before, limit in (("a", [], 2**24), ("b", rows[2:4], 2**24), ("c", [], 1)):
        model = adapt_top("llama")
        upper = choose(model, tmp_path / folder, limit_bytes=limit)
        for row in before:
            upper.measure(model, [row])
        loss = upper.measure(model, rows)
        loss.sum().backward()
        results.append({"": loss.detach(), **gradients(model)})
    first, *others = results
    assert all(torch.equal(value, other[name]) for other in others for name, value in first.items())


def test_constants_of_another_model_are_not_taken(tmp_path: Path) -> None:
    rows = make_rows(6, seed=1)
    choose(adapt_top("llama"), tmp_path, rows=rows)
    assert choose(adapt_top("llama", share=0.25), tmp_path, rows=rows).name == "lean upper half"
    assert len({file.parent for file in tmp_path.rglob("*.safetensors")}) == 2


def test_wrong_constants_and_blocks_that_cannot_be_cut_are_found_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch.nn import ModuleList

    from tune.methods.arithmetic import Plain
    from tune.methods.halves import Halves

    model, rows = adapt_top("llama"), make_rows(6, seed=1)
    with torch.no_grad():
        wanted = Plain("cpu").measure(model, rows)
    for lower in (lambda *_: torch.ones(1, 99, 32), _raise):
        monkeypatch.setattr(Halves, "lower", lower)
        with caplog.at_level(logging.INFO):
            chosen = choose(model, tmp_path / str(len(caplog.text)))
        assert chosen.name == "lean"
        with torch.no_grad():
            torch.testing.assert_close(chosen.measure(model, rows), wanted, rtol=1e-4, atol=1e-4)
        chosen.undo()
    assert caplog.text.count("arithmetic=lean upper half is not that of llama") == 2
    assert isinstance(model.get_base_model().model.layers, ModuleList)


def _raise(*_: Any) -> Any:
    raise TypeError("its blocks hand on more than hidden states")
