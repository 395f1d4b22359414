"""The trainer as its users meet it: a command that is given a run folder, may be killed, and leaves an adapter."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import NotEnoughRows, TrainingFailed
from nightschool.files import read_manifest, verify
from nightschool.identity import identify_base
from nightschool.run_files import DONE
from tune.enough import read_insufficient
from tune.file_dataset import build_from_files
from tune.passes import find_kept
from tune.progress import StepFollower, read_steps
from tune.recipe import Recipe, write_recipe
from tune.replay import read_prompts, read_replay
from tune.run_record import read_run_record
from tune.train import find_earlier, main, train

from .conftest import rounding, write_dataset

TIMEOUT_S = 300
train_tier = pytest.mark.train


def prepare(run: Path, *, base_model: Path, dataset: Path, **changes: Any) -> Path:
    given: dict[str, Any] = {
        "epochs": 12,
        "learning_rate": 1e-2,
        "rank": 4,
        "alpha": 8,
        "batch_size": 8,
        "checkpoint_steps": 2,
        "device": "cpu",
    }
    write_recipe(run, Recipe(base_model=str(base_model), dataset=str(dataset), **given | changes))
    return run


def command(run: Path) -> list[str]:
    return [sys.executable, "-m", "tune.train", str(run)]


def adapter_weights(run: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(run / "adapter" / "adapter_model.safetensors")


def losses(run: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def is_near(one: Path, other: Path, *, tolerance: float) -> bool:
    a, b = adapter_weights(one), adapter_weights(other)
    return a.keys() == b.keys() and all((a[name] - b[name]).abs().max() <= tolerance for name in a)


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (None, "recipe.toml: is missing"),
        ('base_model = "m"\ndataset = "nowhere"\n', "nowhere: is not a finished dataset"),
        ('base_model = "m"\ndataset = "d"\nepochs = 0\n', "epochs"),
    ],
)
def test_bad_input_is_one_clear_message_and_code_2(
    tmp_path: Path, recipe: str | None, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if recipe is not None:
        (tmp_path / "recipe.toml").write_text(recipe)
    assert main([str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert words in err
    assert "Traceback" not in err


def test_a_dataset_whose_rows_were_changed_trains_nothing(
    tmp_path: Path, dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (dataset / "sft_train.parquet").open("ab") as file:
        file.write(b"more")
    assert main([str(prepare(tmp_path / "run", base_model=tmp_path, dataset=dataset))]) == 2
    assert "differs from its manifest" in capsys.readouterr().err


def test_a_finished_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / DONE).touch()
    assert main([str(tmp_path)]) == 0
    assert [file.name for file in tmp_path.iterdir()] == [DONE]


def test_the_proof_holds_the_checkpoint_before_the_last(tmp_path: Path) -> None:
    for step in (8, 10, 2):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert find_earlier(tmp_path / "checkpoint-10") == {"the steps behind 8": tmp_path / "checkpoint-8"}
    for step in (8, 2):
        (tmp_path / f"checkpoint-{step}").rmdir()
    assert find_earlier(tmp_path / "checkpoint-10") == {}


@pytest.fixture(scope="module")
def finished(one_thread: None, tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Path:
    """A run that went from start to end without a break, as a child process."""
    folder = tmp_path_factory.mktemp("finished")
    dataset = write_dataset(folder / "dataset")
    run = prepare(folder / "run", base_model=base_model, dataset=dataset, keeps_passes=2)
    done = subprocess.run(command(run), capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return run


@train_tier
def test_a_run_learns_and_leaves_an_adapter_that_vllm_takes(finished: Path) -> None:
    assert (finished / DONE).read_text().strip() == verify(finished / "adapter").content_hash
    assert not (finished / "checkpoints").exists()
    steps = losses(finished)
    assert len(steps) == 30
    assert steps[-1] < steps[0] - 0.5
    progress = StepFollower(finished).progress()
    assert progress is not None
    assert (progress.step, progress.steps, progress.eta_s) == (30, 30, 0.0)
    config = json.loads((finished / "adapter" / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"])
    assert (config["r"], config["lora_alpha"], config["bias"]) == (4, 8, "none")
    assert not config["use_dora"]
    assert not config["modules_to_save"]
    names = {file.name for file in (finished / "adapter").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors", "manifest.json", "README.md"}
    assert str(finished.parent) not in (finished / "adapter" / "adapter_config.json").read_text()


@train_tier
def test_a_run_says_what_it_was_made_of(finished: Path, base_model: Path) -> None:
    record = read_run_record(finished)
    assert record is not None
    manifest = verify(finished / "adapter")
    assert record.adapter_hash == manifest.content_hash
    assert record.base_hash == identify_base(str(base_model))
    assert {"python", "torch", "transformers", "peft"} <= set(record.versions)
    assert (record.machine.device, record.seed, record.recipe["rank"]) == ("cpu", 17, 4)
    assert [stage.method for stage in record.stages if stage.ran] == ["sft"]
    assert record.peak_memory_mb is not None
    card = (finished / "adapter" / "README.md").read_text()
    assert record.base_hash in card
    assert record.dataset_hash in card
    for file in ("run.json", "adapter/README.md"):
        assert str(finished.parent) not in (finished / file).read_text()
    assert (finished / "plots" / "sft.svg").exists()
    assert (finished / "tokenizer" / "tokenizer.json").exists()


@train_tier
def test_the_proof_tells_the_adapter_from_the_base(finished: Path, base_model: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(base_model, dtype=torch.float32)
    adapted = PeftModel.from_pretrained(base, finished / "adapter").eval()

    def log_probs(ids: list[int]) -> list[float]:
        with torch.inference_mode():
            logits = adapted(input_ids=torch.tensor([ids])).logits[0, :-1]
        picked = logits.log_softmax(-1)[range(len(ids) - 1), ids[1:]]
        return [float(value) for value in picked]

    texts = json.loads((finished / "proof.json").read_text())["texts"]
    assert len(texts) == 3
    for text in texts:
        assert len(text["token_ids"]) <= 96
        assert "the steps behind 28" in text["without"]
        under_adapter = log_probs(text["token_ids"])
        with adapted.disable_adapter():
            under_base = log_probs(text["token_ids"])
        assert under_adapter == pytest.approx(text["adapter_logprobs"], abs=1e-5)
        assert under_base == pytest.approx(text["base_logprobs"], abs=1e-5)
        assert sum(abs(a - b) for a, b in zip(under_adapter, under_base, strict=True)) / len(under_base) > 0.2


@train_tier
def test_the_last_passes_are_kept_and_told_apart(finished: Path) -> None:
    kept = find_kept(finished)
    assert [(one.phase, one.step) for one in kept] == [("sft", 25), ("sft", 28)]
    folders = [*(one.folder for one in kept), finished]
    assert len({verify(folder / "adapter").content_hash for folder in folders}) == 3
    assert {file.name for file in kept[0].folder.iterdir()} == {"adapter", "proof.json"}
    early, late, last = (json.loads((folder / "proof.json").read_text())["texts"] for folder in folders)
    for one, other, final in zip(early, late, last, strict=True):
        assert one["token_ids"] == other["token_ids"] == final["token_ids"]
        assert one["without"]["its end at step 25"] == pytest.approx(other["adapter_logprobs"], abs=1e-5)
        assert other["without"]["its end at step 28"] == pytest.approx(final["adapter_logprobs"], abs=1e-5)
        assert other["without"]["the steps behind 25"] == pytest.approx(one["adapter_logprobs"], abs=1e-5)
        assert final["without"]["the steps behind 25"] == pytest.approx(one["adapter_logprobs"], abs=1e-5)
        assert one["adapter_logprobs"] != pytest.approx(final["adapter_logprobs"], abs=1e-5)


@train_tier
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(finished / "recipe.toml", run)
    with subprocess.Popen(command(run), stderr=subprocess.DEVNULL) as child:
        while child.poll() is None and not ((progress := StepFollower(run).progress()) and progress.step >= 5):
            continue
        child.kill()
    assert not (run / DONE).exists()
    checkpoints = sorted((run / "checkpoints" / "sft").iterdir())
    # What a power cut may leave: the newest checkpoint is there, but not whole.
    whole = [folder for folder in checkpoints if read_manifest(folder)]
    assert len(whole) >= 1
    if len(whole) > 1:
        (whole[-1] / "optimizer.pt").write_bytes(b"half")
    assert main([str(run)]) == 0
    assert verify(run / "adapter").content_hash == verify(finished / "adapter").content_hash
    for one, other in zip(find_kept(run), find_kept(finished), strict=True):
        assert verify(one.folder / "adapter").content_hash == verify(other.folder / "adapter").content_hash
    assert losses(run) == pytest.approx(losses(finished))


@train_tier
def test_a_run_that_ended_before_its_adapter_was_whole_trains_nothing_again(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.copy(finished / "recipe.toml", run)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr("tune.log_probs.measure_log_probs", fail)
        with pytest.raises(OSError, match="no space left"):
            train(run)
    assert not (run / DONE).exists()
    with monkeypatch.context() as patched:
        patched.setattr("tune.methods.steps.Trainer.train", fail)
        train(run)
    assert verify(run / "adapter").content_hash == verify(finished / "adapter").content_hash
    assert len(losses(run)) == 30


@train_tier
@pytest.mark.parametrize("changes", [{"micro_batch_size": 1}, {"micro_batch_size": 8}])
def test_the_size_of_micro_batches_changes_nothing(
    finished: Path, base_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    run = prepare(tmp_path / "run", base_model=base_model, dataset=write_dataset(tmp_path / "data"), **changes)
    train(run)
    assert losses(run) == pytest.approx(losses(finished), abs=rounding(1e-4, 1e-2))
    assert is_near(run, finished, tolerance=rounding(1e-3, 5e-2))


@train_tier
def test_a_row_that_was_cut_is_reported(base_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = prepare(
        tmp_path / "run", base_model=base_model, dataset=write_dataset(tmp_path / "data"), epochs=0.4, max_tokens=66
    )
    train(run)
    report = json.loads((run / "encoding.json").read_text())
    assert report["too_long_rows"] > 0
    assert report["rows"] == 20 - report["too_long_rows"]
    assert f"{report['too_long_rows']} rows were left out" in caplog.text
    manifest = read_manifest(run / "adapter")
    assert manifest is not None
    assert manifest.about["too_long_rows"] == report["too_long_rows"]


@train_tier
def test_rows_that_do_not_fit_do_not_count_as_enough(base_model: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data")
    run = prepare(tmp_path / "run", base_model=base_model, dataset=dataset, max_tokens=66, min_examples=20)
    with pytest.raises(NotEnoughRows, match=r"of 20 training rows are left within recipe.max_tokens = 66"):
        train(run)
    assert read_insufficient(run)
    assert not (run / "metrics.jsonl").exists()


@train_tier
def test_a_loss_that_is_no_number_ends_the_run(base_model: Path, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(base_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    run = prepare(tmp_path / "run", base_model=broken, dataset=write_dataset(tmp_path / "data"))
    with pytest.raises(TrainingFailed, match="loss nan"):
        train(run)
    assert not (run / "adapter").exists()
    assert not (run / DONE).exists()


@train_tier
def test_the_lean_arithmetic_is_the_models_own(
    finished: Path, base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.methods import prove

    monkeypatch.setattr(prove, "FASTER", ())
    run = prepare(tmp_path / "run", base_model=base_model, dataset=write_dataset(tmp_path / "data"))
    train(run)
    assert losses(run) == pytest.approx(losses(finished), abs=rounding(1e-3, 2e-2))
    assert is_near(run, finished, tolerance=rounding(2e-2, 5e-2))


def keep_answers(folder: Path, *, base_model: Path) -> None:
    """As an earlier night had them of this base."""
    name = hashlib.sha256(identify_base(str(base_model)).encode()).hexdigest()[:16]
    lines = ({"prompt": prompt, "answer": f"{prompt} Yes.", "is_whole": True} for prompt in read_prompts())
    folder.mkdir()
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@train_tier
def test_a_run_mixes_in_what_the_base_said_and_counts_it(tmp_path: Path, base_model: Path, dataset: Path) -> None:
    keep_answers(tmp_path / "kept", base_model=base_model)
    kept = str(tmp_path / "kept")
    run = prepare(tmp_path / "run", base_model=base_model, dataset=dataset, epochs=1, replay="own", replay_folder=kept)
    train(run)
    record, replay = read_run_record(run), read_replay(run)
    assert record is not None
    assert record.replay is not None
    assert replay is not None
    assert (record.replay.kind, record.replay.rows, record.replay.weight) == ("own", 3, 1)
    assert record.replay.content_hash == replay.content_hash
    assert kept not in (run / "run.json").read_text()
    assert record.stages[0].why == "23 rows with answers to imitate, 3 of them replay"
    assert replay.describe() in (run / "adapter" / "README.md").read_text()
    # Proofs are the bot's own texts, and the rows are counted as its own alone.
    assert json.loads((run / "encoding.json").read_text())["rows"] == 20


def compared(number: int) -> dict[str, Any]:
    answers = {"preferred_output": f"at {number % 3}, of course.", "non_preferred_output": "no" + "." * (number % 4)}
    return {
        "input": {"messages": [{"role": "user", "content": f"where is {number}?"}]},
        **{name: [{"role": "assistant", "content": answer}] for name, answer in answers.items()},
    }


@train_tier
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("method", ["sft", "dpo", "kto"])
def test_what_is_held_out_is_measured_after_each_pass_and_not_learnt(
    base_model: Path, tmp_path: Path, method: str
) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": f"where is {n}?", "completion": f"at {n % 3}, of course."} for n in range(8)
    ]
    if method == "dpo":
        rows = [compared(n) for n in range(8)]
    if method == "kto":
        rows = [row | {"label": n % 2 == 0} for n, row in enumerate(rows)]
    # For `kto` votes of one kind.
    for name, some in (("training", rows), ("validation", rows[::2])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    validation = tmp_path / "validation.jsonl"
    build_from_files(tmp_path / "training.jsonl", validation, tmp_path / "dataset")
    build_from_files(tmp_path / "training.jsonl", None, tmp_path / "without")
    given: dict[str, Any] = {
        "base_model": base_model, "batch_size": 4, "methods": (method,), "validates": True,
        "min_pairs": 1, "min_votes": 2, "min_votes_each": 1,
        "epochs": 3, "dpo_epochs": 3, "kto_epochs": 3, "dpo_learning_rate": 1e-2, "kto_learning_rate": 1e-2,
    }  # fmt: skip
    run = prepare(tmp_path / "run", dataset=tmp_path / "dataset", **given)
    train(run)
    measured = [step.valid_loss for step in read_steps(run)]
    assert [loss is not None for loss in measured] == [False, True] * 3
    assert (measured[5] or 9) < (measured[1] or 0)
    train(prepare(tmp_path / "other", dataset=tmp_path / "without", **given))
    assert losses(tmp_path / "other") == losses(run)
    assert is_near(tmp_path / "other", run, tolerance=0)
