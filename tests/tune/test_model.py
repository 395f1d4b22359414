"""An adapter sits on every linear layer that the engine can serve, by whatever name, and says which those are."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from nightschool.layers import ADAPTED_LAYERS
from tune.recipe import Recipe

pytestmark = pytest.mark.train

SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"}


def tiny(family: str, **more: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
        AutoConfig.for_model(family, **SIZES, **more)
    )


@pytest.mark.parametrize(
    ("family", "adapted", "left_out"),
    [
        ("llama", ATTENTION | {"gate_proj", "up_proj", "down_proj"}, set()),
        ("phi3", {"qkv_proj", "o_proj", "gate_up_proj", "down_proj"}, set()),
        ("phi", {"q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"}, set()),
        ("starcoder2", ATTENTION | {"c_fc", "c_proj"}, set()),
        ("mixtral", ATTENTION, {"mlp.experts.gate_up_proj", "mlp.experts.down_proj", "mlp.gate.weight"}),
    ],
)
def test_linear_layers_of_every_family_are_found_and_the_rest_is_named(
    family: str, adapted: set[str], left_out: set[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tune.model import add_adapter, export_adapter, find_layers

    model = tiny(family)
    layers = find_layers(model)
    assert (set(layers.adapted), set(layers.left_out)) == (adapted, left_out)
    assert adapted <= set(ADAPTED_LAYERS)
    with caplog.at_level(logging.WARNING):
        add_adapter(model, Recipe(base_model="tiny", dataset="d", rank=2)).save_pretrained(str(tmp_path / "saved"))
    assert all(name in caplog.text for name in left_out)
    export_adapter(tmp_path / "saved", tmp_path / "adapter", base_model="tiny")
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["target_modules"] == sorted(adapted)


def test_a_model_without_any_is_refused_with_what_it_has() -> None:
    from tune.model import add_adapter

    with pytest.raises(InvalidInput, match="c_attn"):
        add_adapter(tiny("gpt2"), Recipe(base_model="tiny", dataset="d"))


@pytest.mark.parametrize("cap", [None, 0.5])
def test_attention_is_the_models_own_where_its_scores_are_capped(cap: float | None, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from tune.model import load_base

    model = tiny("gemma2", head_dim=8, attn_logit_softcapping=cap, initializer_range=0.5)
    model.save_pretrained(tmp_path)
    ids = torch.arange(1, 40)[None]

    def logits(attention: str) -> Any:
        with torch.no_grad():
            return AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation=attention)(input_ids=ids).logits

    with torch.no_grad():
        found = load_base(str(tmp_path), device="cpu", dtype=torch.float32)(input_ids=ids).logits
    torch.testing.assert_close(found, logits("eager"))
    # What transformers would choose computes something else, without a word.
    assert torch.allclose(found, logits("sdpa"), rtol=1e-3, atol=1e-4) is (cap is None)


def test_a_model_that_has_no_other_attention_than_its_own_is_loaded(tmp_path: Path) -> None:
    import torch

    from tune.model import load_base

    tiny("gpt_oss", num_local_experts=4, head_dim=8).save_pretrained(tmp_path)
    assert load_base(str(tmp_path), device="cpu", dtype=torch.float32).config.model_type == "gpt_oss"


@pytest.mark.parametrize(
    ("flags", "expected"), [("fma amx_bf16", "bfloat16"), ("fma avx512_bf16", "bfloat16"), ("fma avx512f", "float32")]
)
def test_numbers_are_short_only_where_the_processor_multiplies_such(tmp_path: Path, flags: str, expected: str) -> None:
    from tune.model import choose_dtype

    (tmp_path / "cpuinfo").write_text(f"flags\t\t: {flags}\n")
    assert str(choose_dtype("cpu", cpuinfo=tmp_path / "cpuinfo")) == f"torch.{expected}"
    assert str(choose_dtype("cpu", cpuinfo=tmp_path / "nowhere")) == "torch.float32"
    assert str(choose_dtype("cuda", cpuinfo=tmp_path / "cpuinfo")) == "torch.bfloat16"
