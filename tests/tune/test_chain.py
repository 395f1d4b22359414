"""SFT, DPO and KTO one behind the other: killed anywhere they end as if nothing had happened; each can be given up."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput, TrainingFailed
from nightschool.files import read_manifest, verify
from nightschool.run_files import DONE
from tune import progress
from tune.progress import StepFollower, read_steps
from tune.recipe import Recipe, write_recipe
from tune.stages import read_stages
from tune.train import train

from .school import write_school

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

ORDER: dict[str, Any] = {
    "methods": ("sft", "dpo", "kto"),
    "min_pairs": 4,
    "min_votes": 8,
    "min_votes_each": 2,
    "epochs": 2,
    "learning_rate": 1e-2,
    "dpo_epochs": 2,
    "dpo_learning_rate": 5e-3,
    "kto_epochs": 2,
    "kto_learning_rate": 5e-3,
    "rank": 4,
    "alpha": 8,
    "batch_size": 4,
    "micro_batch_size": 2,
    "checkpoint_steps": 2,
    "device": "cpu",
}
STEPS = {"sft": 10, "dpo": 6, "kto": 7}


Begin = Callable[..., Path]
"""Makes a run folder with a recipe."""


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_school(tmp_path_factory.mktemp("school") / "dataset")


@pytest.fixture(scope="module")
def begin(base_model: Path, dataset: Path) -> Begin:
    """Makes a run folder with a recipe."""

    def make(run: Path, **changes: Any) -> Path:
        given = {"base_model": str(base_model), "dataset": str(dataset)} | ORDER | changes
        write_recipe(run, Recipe.model_validate(given))
        return run

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, begin: Begin) -> Path:
    """A run that went from start to end without a break."""
    run = begin(tmp_path_factory.mktemp("whole") / "run")
    train(run)
    return run


def curve(run: Path) -> list[tuple[Any, ...]]:
    """All that the lines say but for time and memory."""
    return [
        (line.phase, line.step, line.steps, line.epoch, line.loss, line.learning_rate, line.tokens, line.rewards_margin,
         line.rewards_accuracy)
        for line in read_steps(run)
    ]  # fmt: skip


def kill_at(monkeypatch: pytest.MonkeyPatch, phase: str, step: int) -> None:
    """The process dies right after this step's line was written."""
    from tune.methods import trainer

    append = progress.append_step

    def write(run: Path, line: Any) -> None:
        append(run, line)
        if (line.phase, line.step) == (phase, step):
            raise Killed

    monkeypatch.setattr(trainer, "append_step", write)


def test_each_method_takes_its_steps_and_says_so(whole: Path) -> None:
    steps = read_steps(whole)
    assert [line.phase for line in steps] == [phase for phase, count in STEPS.items() for _ in range(count)]
    assert all(line.steps == STEPS[line.phase] for line in steps)
    stages = read_stages(whole)
    assert [(line.method, line.ran, line.rows, line.steps) for line in stages] == [
        ("sft", True, 20, 10), ("dpo", True, 12, 6), ("kto", True, 14, 7), ("reward", False, 12, 0),
        ("rejection", False, 0, 0), ("distill", False, 0, 0), ("grpo", False, 0, 0),
    ]  # fmt: skip
    assert stages[1].why == "12 pairs; recipe.min_pairs asks for 4"
    assert all(line.seconds > 0 for line in stages[:3])
    manifest = read_manifest(whole / "adapter")
    assert manifest is not None
    assert manifest.about["methods"] == "sft+dpo+kto"
    assert {file.name for file in whole.iterdir()} == {
        "recipe.toml", "metrics.jsonl", "encoding.json", "stages.json", "adapter", "DONE",
        "run.json", "plots", "tokenizer", "proof.json",
    }  # fmt: skip
    encoding = json.loads((whole / "encoding.json").read_text())
    assert (encoding["rows"], encoding["pairs"]["rows"], encoding["votes"]["rows"]) == (20, 12, 14)


def test_what_is_compared_is_learnt(whole: Path) -> None:
    by_phase = {phase: [line for line in read_steps(whole) if line.phase == phase] for phase in STEPS}
    assert by_phase["sft"][-1].loss < by_phase["sft"][0].loss - 0.5
    assert by_phase["sft"][0].rewards_margin is None
    assert by_phase["dpo"][0].rewards_margin == pytest.approx(0, abs=0.05)
    assert (by_phase["dpo"][-1].rewards_margin or 0) > 0.1
    margins = [line.rewards_margin for line in by_phase["kto"] if line.rewards_margin is not None]
    assert margins[-1] > margins[0]
    assert [line.left_s for line in read_steps(whole)][-1] == 0


@pytest.mark.parametrize("at", [("sft", 3), ("dpo", 5), ("kto", 3)])
def test_killed_anywhere_it_ends_as_if_nothing_had_happened(
    whole: Path, begin: Begin, tmp_path: Path, at: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path / "run")
    with monkeypatch.context() as patched:
        kill_at(patched, *at)
        with pytest.raises(Killed):
            train(run)
    assert not (run / DONE).exists()
    train(run)
    assert curve(run) == curve(whole)
    assert verify(run / "adapter").content_hash == verify(whole / "adapter").content_hash
    assert [line.model_copy(update={"seconds": 0}) for line in read_stages(run)] == [
        line.model_copy(update={"seconds": 0}) for line in read_stages(whole)
    ]


def test_a_process_that_is_killed_in_a_later_stage_goes_on_there(whole: Path, begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    with subprocess.Popen([sys.executable, "-m", "tune.train", str(run)], stderr=subprocess.DEVNULL) as child:
        while child.poll() is None and not ((now := StepFollower(run).progress()) and now.phase == "dpo"):
            continue
        child.kill()
    assert not (run / DONE).exists()
    train(run)
    # Another process, perhaps with other threads: the same curve but for rounding.
    assert [line[4] for line in curve(run)] == pytest.approx([line[4] for line in curve(whole)], abs=1e-3)


def test_the_same_seed_gives_the_same_bytes(whole: Path, begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    train(run)
    assert curve(run) == curve(whole)
    assert verify(run / "adapter").content_hash == verify(whole / "adapter").content_hash


def test_the_size_of_micro_batches_changes_nothing(whole: Path, begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", micro_batch_size=4)
    train(run)
    assert [line[4] for line in curve(run)] == pytest.approx([line[4] for line in curve(whole)], abs=5e-3)


def test_a_method_without_enough_rows_is_left_out_in_words(
    begin: Begin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = begin(tmp_path / "run", min_pairs=50, methods=("sft", "dpo"), epochs=0.4)
    with caplog.at_level(logging.INFO):
        train(run)
    sft, dpo, kto, *_ = read_stages(run)
    assert (sft.ran, dpo.ran, kto.ran) == (True, False, False)
    assert dpo.why == "12 pairs; recipe.min_pairs asks for 50"
    assert kto.why == "recipe.methods leaves it out"
    assert "phase=dpo is left out: 12 pairs" in caplog.text
    manifest = read_manifest(run / "adapter")
    assert manifest is not None
    assert manifest.about["methods"] == "sft"


def test_votes_alone_teach_from_the_base_model(begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", methods=("kto",), kto_loss="apo_zero_unpaired", kto_epochs=0.5)
    train(run)
    assert [line.method for line in read_stages(run) if line.ran] == ["kto"]
    assert len(json.loads((run / "proof.json").read_text())["texts"]) == 3


def test_where_there_is_enough_for_no_method_it_says_what_is_missing(begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", methods=("dpo", "kto"), min_pairs=50, min_votes=100)
    with pytest.raises(InvalidInput, match=r"dpo: 12 pairs.*kto: 14 votes"):
        train(run)


def test_a_method_that_fails_behind_another_is_given_up_and_stays_so(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.methods import dpo

    def no_number(margins: Any, *, label_smoothing: float) -> Any:
        return margins * float("nan")

    run = begin(tmp_path / "run", epochs=0.4)
    with monkeypatch.context() as patched:
        patched.setattr(dpo, "robust_loss", no_number)
        kill_at(patched, "kto", 1)
        with pytest.raises(Killed):
            train(run)
    train(run)  # not once more, though it would work now
    sft, given_up, kto, *_ = read_stages(run)
    assert (sft.ran, given_up.ran, kto.ran) == (True, False, True)
    assert "given up: loss nan and gradient nan at step 1" in given_up.why
    assert {line.phase for line in read_steps(run)} == {"sft", "kto"}


def test_a_first_method_that_fails_fails_the_run(begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tune.methods import trainer

    monkeypatch.setattr(trainer, "find_trouble", lambda *_, **__: "it diverges")
    with pytest.raises(TrainingFailed, match="it diverges"):
        train(begin(tmp_path / "run"))


def test_short_of_memory_it_computes_fewer_rows_at_once_and_learns_the_same(
    whole: Path, begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tune.methods.arithmetic import Lean

    measure, calls = Lean.measure, [0]

    def fail_with_two(self: Any, model: Any, rows: Any) -> Any:
        calls[0] += 1
        if len(rows) > 1 and calls[0] == 4:  # in the second half of step 2, whose first half has left gradients
            raise MemoryError
        return measure(self, model, rows)

    monkeypatch.setattr(Lean, "measure", fail_with_two)
    run = begin(tmp_path / "run", methods=("sft",))
    train(run)
    sft = [line[4] for line in curve(whole) if line[0] == "sft"]
    assert [line[4] for line in curve(run)] == pytest.approx(sft, abs=5e-3)
    assert read_stages(run)[0].why.endswith("; out of memory at step 2, so 1 rows at once instead of 2")


def test_a_run_goes_on_from_the_adapter_in_production(whole: Path, begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", methods=("sft",), start=str(whole / "adapter"), epochs=0.4)
    train(run)
    from_base = begin(tmp_path / "base", methods=("sft",), epochs=0.4)
    train(from_base)
    assert read_steps(run)[0].loss < read_steps(from_base)[0].loss - 0.5
    manifest = read_manifest(run / "adapter")
    assert manifest is not None
    assert manifest.about["start"] == verify(whole / "adapter").content_hash[:16]
    other = begin(tmp_path / "other", methods=("sft",), start=str(whole / "adapter"), epochs=0.4, rank=8)
    train(other)
    assert read_stages(other)[0].why.endswith("begun from the base model, since adapter has rank 4 instead of 8")


def test_by_a_deadline_each_method_gets_its_share_and_ends_in_time(begin: Begin, tmp_path: Path) -> None:
    import time

    from tune.pace import write_deadline

    run = begin(tmp_path / "run", methods=("sft", "dpo"), epochs=40, dpo_epochs=40)
    write_deadline(run, time.time() - 1)
    train(run)
    steps = read_steps(run)
    # It is late already: one step of each, with its checkpoint.
    assert [(line.phase, line.step, line.steps) for line in steps] == [("sft", 1, 1), ("dpo", 1, 1)]
    sft, dpo = read_stages(run)[:2]
    assert sft.why.endswith("; ended after 1 of 200 steps, to be done in time")
    assert dpo.why.endswith("; ended after 1 of 120 steps, to be done in time")
    assert (run / DONE).exists()


def test_a_stage_has_the_share_of_the_time_that_its_steps_are() -> None:
    from tune.batches import Plan
    from tune.methods.course import Course

    course = Course("sft", Plan((), 30, 30, 1), 1e-3, steps_behind=10)
    assert course.deadline(1000, now_s=600, done=0) == pytest.approx(900)
    assert course.deadline(1000, now_s=600, done=20) == pytest.approx(800)


def test_constants_of_the_frozen_base_serve_the_next_run_to_the_bit(begin: Begin, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    runs = [
        begin(
            tmp_path / name, methods=("sft", "kto") if name == "other" else ("dpo",), layers_share=0.5, kept=str(kept)
        )
        for name in ("first", "other", "second")
    ]
    for run in runs:
        train(run)
    adapters = [read_manifest(run / "adapter") for run in runs]
    assert adapters[0]
    assert adapters[2]
    assert adapters[0].content_hash == adapters[2].content_hash
    assert adapters[0].about["layers_share"] == 0.5
    config = json.loads((runs[0] / "adapter" / "adapter_config.json").read_text())
    assert config["layers_to_transform"] == [1]
    [base] = (kept / "references").glob("*-base.jsonl")
    lines = base.read_text().splitlines()
    assert len(lines) == len(set(lines))
    assert any((kept / "states").rglob("*.safetensors"))
    texts = json.loads((runs[0] / "proof.json").read_text())["texts"]
    assert all("layers 1-1" in text["without"] and "layers 0-0" not in text["without"] for text in texts)


def test_constants_that_nobody_keeps_go_with_the_run(begin: Begin, tmp_path: Path) -> None:
    run = begin(tmp_path / "run", methods=("dpo",), layers_share=0.5)
    train(run)
    assert not {"kept", "references"} & {path.name for path in run.iterdir()}
