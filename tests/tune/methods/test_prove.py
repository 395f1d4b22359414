"""The faster arithmetic is used where it is proved to be PEFT's for the model at hand, and nowhere else."""

import logging
import random
from collections.abc import Mapping
from typing import Any

import pytest

from tune.encode import IGNORED, Encoded
from tune.recipe import Recipe

from ..test_model import SIZES

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

PREFIX = [7, 8, 9, 10, 11]
SURE = {"initializer_range": 0.3}
"""Weights so large that logits are those of a model that knows something."""


def make_rows(count: int, *, seed: int) -> list[Encoded]:
    """Chats of several lengths that begin alike; the last six tokens are learnt."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        ids = [*PREFIX, *(dice.randrange(1, 64) for _ in range(10 + 3 * number))]
        rows.append(Encoded(f"i{number}", tuple(ids), tuple([IGNORED] * (len(ids) - 6) + ids[-6:])))
    return rows


def adapt(family: str, *, dtype: str = "float32", **more: Any) -> Any:
    """A small random model with an adapter on it, whose weights are no longer zero."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from tune.model import add_adapter

    set_seed(5)
    config = AutoConfig.for_model(family, **SIZES | SURE | more)
    # Others leave capped attention uncapped without a word.
    how = {"attn_implementation": "eager"}
    base = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype), **how)  # type: ignore[no-untyped-call]
    return add_adapter(base, Recipe(base_model=family, dataset="d", rank=4, alpha=8))


def measure(model: Any, loss: Any) -> Mapping[str, Any]:
    """The loss, under no name, and every gradient."""
    model.zero_grad(set_to_none=True)
    loss.backward()
    named = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return {"": loss.detach(), **named}


def transformers_own(model: Any, rows: list[Encoded]) -> Mapping[str, Any]:
    """Loss and gradients of the padded batch by the model's own loss."""
    import torch

    longest = max(len(row.input_ids) for row in rows)

    def pad(values: tuple[int, ...], filler: int) -> list[int]:
        return [*values, *[filler] * (longest - len(values))]

    more = {"output_router_logits": False} if hasattr(model.config, "router_aux_loss_coef") else {}
    output = model(
        input_ids=torch.tensor([pad(row.input_ids, 0) for row in rows]),
        attention_mask=torch.tensor([pad((1,) * len(row.input_ids), 0) for row in rows]),
        labels=torch.tensor([pad(row.labels, IGNORED) for row in rows]),
        **more,
    )
    return measure(model, output.loss)


def packed(model: Any, rows: list[Encoded]) -> Mapping[str, Any]:
    from tune.methods.prefix import common_prefix, pack, packed_losses

    ids, labels = [list(row.input_ids) for row in rows], [list(row.labels) for row in rows]
    loss = packed_losses(model, pack(ids, labels, prefix_tokens=common_prefix(ids, labels))).sum()
    return measure(model, loss / sum(label != IGNORED for row in labels for label in row))


def is_equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    import torch

    return one.keys() == other.keys() and all(
        torch.allclose(one[name], other[name], rtol=1e-3, atol=1e-4 * float(other[name].abs().max())) for name in one
    )


PLAIN_ONES: dict[str, dict[str, Any]] = {
    "llama": {},
    "qwen2": {},
    "qwen3": {"head_dim": 8},
    "phi3": {},
    "olmo2": {},
    "gemma3_text": {"head_dim": 8},
    "mixtral": {"num_local_experts": 4},
}
"""Biases, normed queries, fused layers, norms behind the block, scaled embeddings, experts."""


@pytest.mark.parametrize("family", PLAIN_ONES)
def test_the_lean_arithmetic_is_every_plain_familys_own(family: str) -> None:
    import torch

    from tune.methods.prove import choose_arithmetic

    model, others = adapt(family, **PLAIN_ONES[family]), make_rows(4, seed=2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    wanted = transformers_own(model, others)
    assert choose_arithmetic(model, make_rows(6, seed=1), device="cpu").name == "lean"
    assert is_equal(packed(model, others), wanted)


WRONG_ONES: dict[str, tuple[str, dict[str, Any]]] = {
    "capped logits": ("gemma2", {"head_dim": 8, "final_logit_softcapping": 3.0, "attn_logit_softcapping": None}),
    "capped attention": ("gemma2", {"head_dim": 8, "final_logit_softcapping": None, "attn_logit_softcapping": 0.5}),
    "scaled logits": ("cohere", {"logit_scale": 0.25}),
    "divided logits": ("granite", {"logits_scaling": 4.0}),
    "a window": ("mistral", {"sliding_window": 4}),
    "sinks": ("gpt_oss", {"num_local_experts": 4, "head_dim": 8}),
}


@pytest.mark.parametrize("fault", WRONG_ONES)
def test_where_it_would_be_wrong_it_is_found_out_and_said(fault: str, caplog: pytest.LogCaptureFixture) -> None:
    from tune.methods.prove import choose_arithmetic

    family, more = WRONG_ONES[fault]
    model, others = adapt(family, **more), make_rows(4, seed=2)
    wanted = transformers_own(model, others)
    with caplog.at_level(logging.INFO):
        chosen = choose_arithmetic(model, make_rows(6, seed=1), device="cpu")
    assert chosen.name != "lean"
    assert f"arithmetic=lean is not that of {family}" in caplog.text
    assert is_equal(transformers_own(model, others), wanted)


@pytest.mark.parametrize("family", ["llama", "qwen3", "gemma3_text"])
def test_in_bf16_rounding_is_not_taken_for_a_fault(family: str) -> None:
    from tune.methods.prove import choose_arithmetic

    model = adapt(family, dtype="bfloat16", **PLAIN_ONES[family])
    assert choose_arithmetic(model, make_rows(6, seed=1), device="cpu").name == "lean"


@pytest.mark.parametrize("fault", WRONG_ONES)
def test_in_bf16_a_fault_is_not_taken_for_rounding(fault: str) -> None:
    from tune.methods.prove import choose_arithmetic

    family, more = WRONG_ONES[fault]
    model = adapt(family, dtype="bfloat16", **more)
    assert choose_arithmetic(model, make_rows(6, seed=1), device="cpu").name != "lean"


def test_rows_that_fit_into_a_window_need_not_mind_it() -> None:
    from tune.methods.prove import choose_arithmetic

    model = adapt("mistral", sliding_window=64)
    assert choose_arithmetic(model, make_rows(6, seed=1), device="cpu").name == "lean"


def test_dropout_is_left_to_the_models_own_code(caplog: pytest.LogCaptureFixture) -> None:
    from tune.methods.prove import choose_arithmetic

    with caplog.at_level(logging.INFO):
        model = adapt("llama", attention_dropout=0.1)
        assert choose_arithmetic(model, make_rows(3, seed=1), device="cpu").name == "plain"
    assert "dropout" in caplog.text


def test_the_proof_leaves_weights_and_dice_as_they_were() -> None:
    import torch

    from tune.methods.prove import choose_arithmetic

    model = adapt("llama")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(1)
    choose_arithmetic(model, make_rows(3, seed=1), device="cpu")
    thrown = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(thrown, torch.rand(1))
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_switched_off_or_another_adapter_computes_as_in_peft() -> None:
    import torch

    from tune.methods.fused import fuse_adapter, unfuse_adapter

    model = adapt("qwen2")
    model.add_adapter("ref", model.peft_config["default"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.05)
    ids = torch.tensor([[1, 2, 3, 4]])

    def logits() -> list[Any]:
        found = []
        for name in ("default", "ref"):
            model.set_adapter(name)
            found.append(model(input_ids=ids).logits)
        with model.disable_adapter():
            found.append(model(input_ids=ids).logits)
        return found

    with torch.no_grad():
        wanted = logits()
        fuse_adapter(model)
        fused = logits()
        unfuse_adapter(model)
        again = logits()
    for one, other in zip(fused, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(one, other) for one, other in zip(again, wanted, strict=True))
    assert not torch.allclose(wanted[0], wanted[1])


@pytest.mark.parametrize("off", [0.0, 0.02])
def test_what_differs_is_named(off: float) -> None:
    import torch

    from tune.methods.prove import Measured, find_difference

    wanted = Measured((2.0,), {"a": torch.ones(4), "b": torch.full((4,), 1e-6)})
    found = Measured((2.0,), {"a": torch.ones(4) * (1 + off), "b": torch.zeros(4)})
    assert ("gradient of a" in find_difference(found, wanted, dtype=torch.float32)) is bool(off)
    assert "loss nan" in find_difference(Measured((float("nan"),), {}), wanted, dtype=torch.bfloat16)
    assert "of 0 parameters" in find_difference(Measured((2.0,), {}), wanted, dtype=torch.float32)
