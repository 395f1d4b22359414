"""An adapter over a base in 4 bits, and a whole model: both learn, survive a kill, and end as an adapter to serve."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.learnt import describe_run
from nightschool.files import read_manifest, verify
from nightschool.run_files import DONE
from tune.progress import read_steps
from tune.recipe import Recipe, write_recipe
from tune.run_record import read_run_record
from tune.train import train

from .school import write_school
from .test_chain import ORDER, Killed, curve, kill_at

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

RATES: dict[str, dict[str, float]] = {
    "qlora": {},
    "full": {"learning_rate": 2e-3, "dpo_learning_rate": 1e-3, "kto_learning_rate": 1e-3, "checkpoint_steps": 2},
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_school(tmp_path_factory.mktemp("school") / "dataset")


def order(run: Path, adapter: str, *, base_model: Path, dataset: Path, **changes: Any) -> Path:
    given = {"base_model": str(base_model), "dataset": str(dataset), "adapter": adapter}
    write_recipe(run, Recipe.model_validate(given | ORDER | RATES[adapter] | changes))
    return run


@pytest.fixture(scope="module", params=["qlora", "full"])
def whole(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, base_model: Path, dataset: Path
) -> Path:
    """A run of each kind that went from start to end without a break, through SFT, DPO and KTO."""
    run = order(tmp_path_factory.mktemp("whole") / "run", request.param, base_model=base_model, dataset=dataset)
    train(run)
    return run


def kind_of(run: Path) -> str:
    record = read_run_record(run)
    assert record is not None
    return str(record.recipe["adapter"])


def test_it_learns_by_every_method_and_leaves_an_adapter_that_vllm_takes(whole: Path) -> None:
    steps = read_steps(whole)
    by_phase = {phase: [line for line in steps if line.phase == phase] for phase in ("sft", "dpo", "kto")}
    assert by_phase["sft"][-1].loss < by_phase["sft"][0].loss - 0.3
    # The reference is what the stage began with.
    assert by_phase["dpo"][0].rewards_margin == pytest.approx(0, abs=0.05)
    assert (by_phase["dpo"][-1].rewards_margin or 0) > 0.05
    config = json.loads((whole / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["bias"], config["modules_to_save"]) == (4, 8, "none", None)
    names = {file.name for file in (whole / "adapter").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "manifest.json", "README.md"}
    manifest = read_manifest(whole / "adapter")
    assert manifest is not None
    assert manifest.about["learner"] == kind_of(whole)
    assert not (whole / "checkpoints").exists()


def test_the_proof_is_of_what_is_served(whole: Path, base_model: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    served = PeftModel.from_pretrained(base, whole / "adapter").eval()
    texts = json.loads((whole / "proof.json").read_text())["texts"]
    assert len(texts) == 3
    for text in texts:
        ids = torch.tensor([text["token_ids"]])
        with torch.inference_mode():
            found = served(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0].tolist()
        assert found == pytest.approx(text["adapter_logprobs"], abs=1e-4)
        assert found != pytest.approx(text["base_logprobs"], abs=0.05)
        assert any(part.startswith("the steps behind ") for part in text["without"])


def test_killed_it_ends_as_if_nothing_had_happened(
    whole: Path, base_model: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = order(tmp_path / "run", kind_of(whole), base_model=base_model, dataset=dataset)
    with monkeypatch.context() as patched:
        kill_at(patched, "dpo", 3)
        with pytest.raises(Killed):
            train(run)
    assert not (run / DONE).exists()
    train(run)
    assert curve(run) == curve(whole)
    assert verify(run / "adapter").content_hash == verify(whole / "adapter").content_hash


def test_it_goes_on_from_an_adapter_in_production(whole: Path, base_model: Path, dataset: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {"methods": ("sft",), "epochs": 0.4, "base_model": base_model, "dataset": dataset}
    run = order(tmp_path / "run", kind_of(whole), start=str(whole / "adapter"), **given)
    train(run)
    assert read_steps(run)[0].loss < read_steps(whole)[0].loss - 0.3
    manifest = read_manifest(run / "adapter")
    assert manifest is not None
    assert manifest.about["start"] == verify(whole / "adapter").content_hash[:16]


def test_four_bits_are_ready_to_learn_before_anything_is_measured(base_model: Path) -> None:
    """A forward pass of another mode would pack the weights for good on a CPU with bf16, and no gradient would pass."""
    from bitsandbytes.nn.modules import Linear4bit

    from tune.learner import load_learner

    recipe = Recipe(base_model=str(base_model), dataset="d", adapter="qlora", rank=2)
    model = load_learner(recipe, None, device="cpu")
    quantized: list[Any] = [layer for layer in model.modules() if isinstance(layer, Linear4bit)]
    assert len(quantized) == 14
    assert all(layer.training for layer in quantized)
    assert all(layer.weight.quant_state.nested and layer.weight.quant_type == "nf4" for layer in quantized)


def test_a_whole_model_is_a_folder_that_can_be_served_and_the_adapter_says_how_near_it_is(
    whole: Path, base_model: Path
) -> None:
    from tune.probe import probe_model

    record = read_run_record(whole)
    assert record is not None
    card = (whole / "adapter" / "README.md").read_text()
    if kind_of(whole) == "qlora":
        assert not (whole / "model").exists()
        assert record.share_held is None
        assert "over the base model in 4 bits" in card
        assert record.machine.dtype.startswith("nf4, computed in ")
        return
    assert verify(whole / "model").kind == "model"
    probe = probe_model(str(whole / "model"))
    assert probe.problem == ""
    assert probe.learnt == probe_model(str(base_model)).learnt
    assert record.share_held is not None
    assert 0 < record.share_held < 1
    words = f"holds {record.share_held:.1%} of what it learnt"
    assert words in card
    assert words in "\n".join(describe_run(whole))
    assert record.machine.dtype.startswith("float32")
