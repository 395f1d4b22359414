"""A mixture of experts learns the plain loss: its router is frozen, so there is nothing to balance."""

from pathlib import Path
from typing import Any

import pytest

from tune.batches import plan_order
from tune.encode import Encoded
from tune.lessons import Imitated
from tune.recipe import Recipe

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def tiny_experts(family: str, *, vocabulary: int, **router: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    set_seed(5)
    config = AutoConfig.for_model(
        family,
        vocab_size=vocabulary, hidden_size=32, intermediate_size=48, moe_intermediate_size=48, num_hidden_layers=2,
        shared_expert_intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, num_experts=4,
        num_local_experts=4, num_experts_per_tok=2, pad_token_id=0, bos_token_id=0, eos_token_id=0, **router,
    )  # fmt: skip
    return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("is_lean", [False, True])
@pytest.mark.parametrize("family", ["mixtral", "qwen2_moe"])
def test_what_a_model_would_add_for_its_router_changes_no_adapter(
    family: str, is_lean: bool, tmp_path: Path, chat_tokenizer: Any
) -> None:
    import torch
    from safetensors.torch import load_file

    from tune.methods.arithmetic import Lean, Plain
    from tune.methods.course import Course
    from tune.methods.memory import Appetite
    from tune.methods.sft import Sft
    from tune.methods.steps import take_steps
    from tune.model import WEIGHTS, add_adapter

    rows = [Encoded(f"i{n}", tuple(range(40, 52 + n)), (-100,) * 6 + tuple(range(46, 52 + n))) for n in range(6)]
    recipe = Recipe(
        base_model="tiny", dataset="d", rank=2, epochs=1, batch_size=2, micro_batch_size=1, learning_rate=1e-2
    )
    course = Course("sft", plan_order([12] * len(rows), epochs=1, batch_size=2, seed=17), 1e-2, 0)
    learnt = []
    for name, coefficient in (("plain", 0.0), ("balanced", 10.0)):
        router = {"output_router_logits": coefficient > 0, "router_aux_loss_coef": coefficient}
        model = add_adapter(tiny_experts(family, vocabulary=len(chat_tokenizer), **router), recipe)
        last = take_steps(
            model, Sft([Imitated(row) for row in rows]), course,
            arithmetic=Lean(model) if is_lean else Plain("cpu"), appetite=Appetite(1),
            recipe=recipe, run=tmp_path / name, device="cpu",
        )  # fmt: skip
        learnt.append(load_file(last / WEIGHTS))
    plain, balanced = learnt
    assert any(weight.abs().max() > 0 for name, weight in plain.items() if "lora_B" in name)
    for name, weight in plain.items():
        torch.testing.assert_close(balanced[name], weight, msg=name)
