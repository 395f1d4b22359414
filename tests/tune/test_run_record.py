"""run.json says what a run was made of, the card what an adapter is: alike for alike weights, and no path in either."""

import hashlib
import json
from pathlib import Path

import pytest

from tune.progress import append_step
from tune.recipe import Recipe, write_recipe
from tune.run_record import (
    CARD,
    RUN,
    Machine,
    Sources,
    name_base,
    read_run_record,
    write_model_card,
    write_run_record,
)
from tune.stages import StageLine, write_stages

from .test_progress import line

SOURCES = Sources(base_hash="b" * 64, dataset_hash="d" * 64, start_hash="")
MACHINE = Machine(device="cpu", device_name="a processor", dtype="float32", threads=2)
STAGES = (
    StageLine(method="sft", ran=True, why="96 rows with answers to imitate", rows=96, steps=12, seconds=60.0),
    StageLine(method="dpo", ran=True, why="60 pairs; recipe.min_pairs asks for 50", rows=60, steps=2, seconds=9.0),
    StageLine(method="grpo", ran=True, why="8 questions", rows=8, steps=2, seconds=3.0),
    StageLine(method="kto", ran=False, why="3 votes; recipe.min_votes asks for 100", rows=3, steps=0, seconds=0.0),
)
TEXTS = [{"token_ids": [1, 2, 3], "base_logprobs": [-4.0, -2.0], "adapter_logprobs": [-1.0, -0.5], "without": {}}]


def a_run(folder: Path) -> tuple[Path, Recipe]:
    base = folder / "models" / "Tiny-Instruct"
    base.mkdir(parents=True)
    run = folder / "run"
    recipe = Recipe(base_model=str(base), dataset=str(folder / "datasets" / "abc"), rank=4, alpha=8, seed=23)
    write_recipe(run, recipe)
    for step in range(1, 13):
        append_step(run, line(step, loss=4.0 - step / 4, seconds=step * 1.5, memory_mb=900.0 + step))
    for step, margin in ((1, 0.0), (2, 0.5)):
        append_step(run, line(step, phase="dpo", loss=0.69, rewards_margin=margin))
    for step, reward in ((1, 0.5), (2, 0.75)):
        append_step(run, line(step, phase="grpo", loss=0.1, reward=reward))
    write_stages(run, STAGES)
    (run / "adapter").mkdir()
    (run / "proof.json").write_text(json.dumps({"texts": TEXTS}))
    return run, recipe


def write_card(run: Path, recipe: Recipe) -> str:
    write_model_card(run, recipe, SOURCES)
    return (run / "adapter" / CARD).read_text()


def test_the_card_names_base_dataset_methods_and_proofs(tmp_path: Path) -> None:
    run, recipe = a_run(tmp_path)
    card = write_card(run, recipe)
    front = card.split("---\n")[1]
    assert 'base_model: "Tiny-Instruct"\nlibrary_name: peft\n' in front
    assert 'tags: ["lora", "nightschool", "sft", "dpo", "grpo"]' in front
    for words in (
        f"| base model Tiny-Instruct | `{'b' * 64}` |", f"| dataset | `{'d' * 64}` |", "rank 4, alpha 8",
        "trained by sft -> dpo -> grpo, seed 23", "| sft | 96 | 12 | 3.250 -> 1.500 |  |",
        "| 0.690 -> 0.690 | 0.250 -> 0.250 |  |", "| 0.100 -> 0.100 |  | 0.625 -> 0.625 |",
        f"| `{hashlib.sha256(b'1 2 3').hexdigest()}` | 3 | -3.00 | -0.75 |", "stay on the machine that serves",
    ):  # fmt: skip
        assert words in card
    assert "kto" not in card
    assert str(tmp_path) not in card


def test_equal_weights_have_an_equal_card_however_long_they_took(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    card = write_card(*a_run(tmp_path / "one"))
    run, recipe = a_run(tmp_path / "two")
    slower = [stage.model_copy(update={"seconds": stage.seconds * 3}) for stage in STAGES]
    write_stages(run, slower)
    (run / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text().replace('"seconds":1.5', '"seconds":7.5'))
    assert write_card(run, recipe) == card


def test_the_card_holds_no_token_of_what_people_wrote(tmp_path: Path) -> None:
    run, recipe = a_run(tmp_path)
    said = [{**TEXTS[0], "token_ids": [31_337, 2, 31_338]}]
    (run / "proof.json").write_text(json.dumps({"texts": said}))
    card = write_card(run, recipe)
    assert "31337" not in card
    assert "31338" not in card
    assert "| 3 | -3.00 | -0.75 |" in card


def test_run_json_says_all_that_a_second_run_needs(tmp_path: Path) -> None:
    run, recipe = a_run(tmp_path)
    assert read_run_record(run) is None
    write_run_record(run, recipe, SOURCES, machine=MACHINE, adapter_hash="a" * 64)
    record = read_run_record(run)
    assert record is not None
    assert (record.base_hash[0], record.dataset_hash[0], record.adapter_hash[0]) == ("b", "d", "a")
    assert (record.seed, record.recipe["rank"], record.base_model) == (23, 4, "Tiny-Instruct")
    assert {"python", "nightschool", "pyarrow"} <= set(record.versions)
    assert record.stages == STAGES
    assert record.trained_s == pytest.approx(sum(step * 1.5 for step in range(1, 13)) + 8.0)
    assert record.peak_memory_mb == 912.0
    assert record.began_at <= record.ended_at
    assert record.began_at.tzinfo is not None
    assert str(tmp_path) not in (run / RUN).read_text()


def test_a_base_model_from_the_hub_keeps_its_id(tmp_path: Path) -> None:
    assert name_base("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"
    assert name_base(str(tmp_path)) == tmp_path.name
