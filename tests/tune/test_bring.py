"""An adapter or a whole model from outside becomes an adapter with its proof, or is refused in words."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import read_manifest, verify, write_atomic
from nightschool.weights import is_alone, is_whole
from tune.brought import BringOrder, Found

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
Bring = Callable[..., Found]


@pytest.fixture
def bring_folder(base_model: Path, tmp_path: Path) -> Bring:
    def bring_it(folder: Path, *, max_rank: int = 8, whole: bool = False, alone: bool = False) -> Found:
        from tune.bring import main

        shutil.rmtree(tmp_path / "work", ignore_errors=True)
        order = BringOrder(
            folder=str(folder),
            name="mine",
            base_model=str(base_model),
            max_rank=max_rank,
            is_served_whole=whole or alone,
            is_alone=alone,
            system_prompt="Be kind.",
            questions=("Hi?",),
        )
        write_atomic(tmp_path / "work" / "order.json", order.model_dump_json())
        assert main([str(tmp_path / "work")]) == 0
        return Found.model_validate_json((tmp_path / "work" / "found.json").read_bytes())

    return bring_it


def load(base_model: Path) -> Any:
    import torch

    from tune.model import load_base

    return load_base(str(base_model), device="cpu", dtype=torch.float32)


def make_adapter(base_model: Path, folder: Path, *, modules: list[str], rank: int = 4) -> Path:
    """As plain PEFT saves one, with weights that do something."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(5)
    model: Any = get_peft_model(load(base_model), LoraConfig(r=rank, lora_alpha=8, target_modules=modules))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(str(folder))
    return folder


def make_model(base_model: Path, folder: Path, change: Callable[[str, Any], None]) -> Path:
    """As Trainer saves one, pickle and all."""
    import torch

    torch.manual_seed(5)
    model = load(base_model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            change(name, parameter)
    model.save_pretrained(folder)
    (folder / "training_args.bin").write_bytes(b"a pickle that nobody reads")
    return folder


def by_rank(rank: int, size: float) -> Callable[[str, Any], None]:
    import torch

    def change(name: str, parameter: Any) -> None:
        if "proj" in name:
            out, into = parameter.shape
            parameter.add_(torch.randn(out, rank) @ torch.randn(rank, into), alpha=size)

    return change


def test_a_peft_folder_becomes_an_adapter_with_its_proof(base_model: Path, bring_folder: Bring, tmp_path: Path) -> None:
    folder = make_adapter(base_model, tmp_path / "mine", modules=["q_proj", "up_proj"])
    found = bring_folder(folder)
    assert (found.problem, found.kind, found.rank, found.share) == ("", "adapter", 4, None)
    manifest = verify(tmp_path / "work" / "adapter")
    assert {file.name for file in manifest.files} == {"adapter_config.json", "adapter_model.safetensors"}
    config = json.loads((tmp_path / "work" / "adapter" / "adapter_config.json").read_text())
    assert (config["target_modules"], config["base_model_name_or_path"]) == (["q_proj", "up_proj"], base_model.name)
    proof = json.loads((tmp_path / "work" / "proof.json").read_text())["texts"]
    assert len(proof) == 3
    assert all(len(text["adapter_logprobs"]) == len(text["token_ids"]) - 1 for text in proof)
    assert any(abs(a - b) > 0.01 for t in proof for a, b in zip(t["adapter_logprobs"], t["base_logprobs"], strict=True))


def test_what_does_not_fit_the_base_is_refused(base_model: Path, bring_folder: Bring, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = make_adapter(base_model, tmp_path / "mine", modules=["q_proj"])
    weights = load_file(folder / "adapter_model.safetensors")
    first = sorted(weights)[0]

    def refused(changed: dict[str, Any]) -> str:
        save_file(changed, folder / "adapter_model.safetensors")
        return bring_folder(folder).problem

    assert "which the engine does not serve" in refused({first.replace("q_proj", "lm_head"): weights[first]})
    assert "has {'A': (4, 8)}" in refused({first: weights[first][:, :8].contiguous()})
    assert "no numbers" in refused(weights | {first: weights[first] * float("nan")})
    assert "its weights are zero" in refused({name: weight * 0 for name, weight in weights.items()})
    (folder / "adapter_model.safetensors").write_bytes(b"\x07" * 30)
    assert "adapter_model.safetensors cannot be read" in bring_folder(folder).problem
    assert read_manifest(tmp_path / "work" / "adapter") is None


def test_a_whole_model_becomes_the_nearest_adapter_and_its_share_is_told(
    base_model: Path, bring_folder: Bring, tmp_path: Path
) -> None:
    found = bring_folder(make_model(base_model, tmp_path / "trained", by_rank(2, 0.02)))
    assert (found.problem, found.kind, found.rank) == ("", "model", 8)
    assert found.share == pytest.approx(1, abs=0.01)
    assert found.said == pytest.approx(1, abs=0.05)
    assert verify(tmp_path / "work" / "adapter").about["share"] == found.share


def test_a_whole_model_that_no_adapter_is_near_to_is_refused_with_what_it_would_take(
    base_model: Path, bring_folder: Bring, tmp_path: Path
) -> None:
    import torch

    found = bring_folder(make_model(base_model, tmp_path / "a", by_rank(32, 0.006)), max_rank=1)
    assert "too far from an adapter: the nearest one of rank 1" in found.problem
    assert "Raise engine.max_lora_rank to" in found.remedy

    def move_embeddings(name: str, parameter: Any) -> None:
        if "embed" in name:
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
        if "0.self_attn.q_proj" in name:
            parameter.add_(1e-4)

    found = bring_folder(make_model(base_model, tmp_path / "b", move_embeddings))
    assert ("too far" in found.problem, "No adapter comes near enough" in found.remedy) == (True, True)
    assert "engine.model" in found.remedy


def test_a_whole_model_that_stays_one_is_written_as_the_engine_serves_it_with_its_proof(
    base_model: Path, bring_folder: Bring, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import load_file

    from tune.log_probs import read_log_probs

    folder = make_model(base_model, tmp_path / "trained", by_rank(32, 0.006))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": 7, "use_cache": False}))
    found = bring_folder(folder, max_rank=1, whole=True)
    assert (found.problem, found.kind, found.is_whole, found.share) == ("", "model", True, None)
    made = tmp_path / "work" / "adapter"
    manifest = verify(made)
    assert (manifest.kind, manifest.about["base_model"]) == ("model", base_model.name)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {file.name for file in manifest.files}
    weights = load_file(made / "model.safetensors")
    assert {str(weight.dtype) for weight in weights.values()} == {"torch.bfloat16"}
    given = load_file(folder / "model.safetensors")
    assert all(torch.equal(weights[name], given[name].bfloat16()) for name in weights)
    # The engine stops where the base does.
    base_config = json.loads((base_model / "config.json").read_text())
    assert json.loads((made / "config.json").read_text())["eos_token_id"] == base_config["eos_token_id"]
    for model, key in ((made, "adapter_logprobs"), (base_model, "base_logprobs")):
        for text in json.loads((tmp_path / "work" / "proof.json").read_text())["texts"]:
            with torch.inference_mode():
                measured = read_log_probs(load(model), text["token_ids"], device="cpu")
            assert text[key] == pytest.approx(measured, abs=1e-4)


def test_one_that_answers_alone_says_so_among_its_files(base_model: Path, bring_folder: Bring, tmp_path: Path) -> None:
    folder, made = make_model(base_model, tmp_path / "trained", by_rank(32, 0.006)), tmp_path / "work" / "adapter"
    hashes = []
    for alone in (False, True):
        assert bring_folder(folder, max_rank=1, whole=True, alone=alone).is_whole
        assert (is_whole(made), is_alone(made)) == (True, alone)
        hashes.append(verify(made).content_hash)
    assert hashes[0] != hashes[1]  # so that the same weights may be kept as both


def test_what_cannot_stay_whole_is_refused(base_model: Path, bring_folder: Bring, tmp_path: Path) -> None:
    adapter = make_adapter(base_model, tmp_path / "mine", modules=["q_proj"])
    assert "is an adapter, which is served on the base model" in bring_folder(adapter, whole=True).problem
    folder = make_model(base_model, tmp_path / "same", lambda _name, _parameter: None)
    assert "is the base model itself" in bring_folder(folder, whole=True).problem


@pytest.mark.parametrize("whole", [True, False])
def test_a_whole_model_must_have_been_trained_with_the_base_models_tokenizer_and_template(
    base_model: Path, bring_folder: Bring, tmp_path: Path, whole: bool
) -> None:
    from transformers import AutoTokenizer

    folder = make_model(base_model, tmp_path / "trained", by_rank(2, 0.02))
    tokenizer: Any = AutoTokenizer.from_pretrained(base_model)
    tokenizer.save_pretrained(folder)
    assert bring_folder(folder, whole=whole).problem == ""
    template = tokenizer.chat_template
    tokenizer.chat_template = template.replace("assistant", "helper")
    tokenizer.save_pretrained(folder)
    assert "has another chat template" in bring_folder(folder, whole=whole).problem
    tokenizer.chat_template = template
    tokenizer.add_tokens(["<|tool|>"])
    tokenizer.save_pretrained(folder)
    assert "has another tokenizer" in bring_folder(folder, whole=whole).problem
    (folder / "tokenizer.json").write_text("{}")
    assert "its tokenizer cannot be read" in bring_folder(folder, whole=whole).problem


def test_another_model_is_no_training_of_this_base(base_model: Path, bring_folder: Bring, tmp_path: Path) -> None:
    import torch

    def throw_anew(_name: str, parameter: Any) -> None:
        parameter.copy_(torch.randn_like(parameter) * 0.2)

    assert "is another model" in bring_folder(make_model(base_model, tmp_path / "a", throw_anew)).problem
    folder = make_model(base_model, tmp_path / "b", lambda _name, _parameter: None)
    assert "is the base model itself" in bring_folder(folder).problem
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rms_norm_eps": 0.1}))
    assert "rms_norm_eps 0.1 instead of" in bring_folder(folder).problem
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"{}")
    assert "cannot be read" in bring_folder(folder).problem
