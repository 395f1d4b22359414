"""Rows that whoever answers knows already are left out of SFT: measured once, told, and never too many of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tune.recipe import Recipe, write_recipe
from tune.skipped import SKIPPED, read_skipped
from tune.stages import read_stages
from tune.train import train

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

LOSSES = {"a": 0.05, "b": 0.29, "c": 0.3, "d": 2.0, "e": 0.01}


def order(base_model: Path, dataset: Path, **changes: Any) -> Recipe:
    given: dict[str, Any] = {
        "base_model": str(base_model), "dataset": str(dataset), "epochs": 1, "rank": 4, "alpha": 8, "batch_size": 4,
        "micro_batch_size": 2, "device": "cpu",
    }  # fmt: skip
    return Recipe.model_validate(given | changes)


@pytest.mark.parametrize(
    ("skip_loss", "min_examples", "expected"),
    [(0.3, 0, ("a", "b", "e")), (0.3, 3, ("a", "e")), (0.3, 9, ()), (9, 0, ("a", "b", "c", "e")), (0.001, 0, ())],
)
def test_the_best_known_go_first_and_enough_is_left(
    skip_loss: float, min_examples: int, expected: tuple[str, ...]
) -> None:
    from tune.methods.skip import choose_skipped

    recipe = Recipe(base_model="m", dataset="d", skip_loss=skip_loss, min_examples=min_examples)
    skipped = choose_skipped(LOSSES, recipe)
    assert (skipped.item_ids, skipped.rows) == (expected, 5)
    assert choose_skipped(dict(reversed(LOSSES.items())), recipe) == skipped


def test_a_run_leaves_them_out_says_so_and_keeps_the_losses(base_model: Path, dataset: Path, tmp_path: Path) -> None:
    run, kept = tmp_path / "run", tmp_path / "kept"
    write_recipe(run, order(base_model, dataset, skip_loss=10, min_examples=15, kept=str(kept)))
    train(run)
    skipped = read_skipped(run)
    assert skipped is not None
    assert (skipped.rows, len(skipped.item_ids)) == (20, 5)
    [sft, *_] = read_stages(run)
    assert (sft.rows, sft.steps) == (15, 4)
    assert "5 more are known already (recipe.skip_loss)" in sft.why
    card = (run / "adapter" / "README.md").read_text()
    assert "5 of 20 are left out, with a loss below recipe.skip_loss = 10" in card
    [file] = (kept / "references").iterdir()
    lines = [json.loads(line) for line in file.read_text().splitlines() if line]
    assert len(lines) == 20
    assert all(len(key) == 64 and loss > 0 for key, loss in lines)


def test_what_was_measured_is_not_measured_again_and_is_the_loss_of_the_row_alone(
    base_model: Path, dataset: Path, tmp_path: Path
) -> None:
    from tune.methods.skip import measure_losses, skip_known

    lessons = read_lessons(base_model, dataset)
    recipe = order(base_model, dataset, skip_loss=10, kept=str(tmp_path / "kept"))
    rows = lessons.rows_of("sft")
    first = measure_losses(rows, recipe, run=tmp_path, device="cpu")
    [file] = (tmp_path / "kept" / "references").iterdir()
    before = file.read_bytes()
    assert measure_losses(rows[::-1], recipe, run=tmp_path, device="cpu") == first
    assert file.read_bytes() == before
    alone = measure_losses(rows[:1], recipe.model_copy(update={"kept": ""}), run=tmp_path / "alone", device="cpu")
    assert alone == {rows[0].item_id: first[rows[0].item_id]}
    for off in ({"skip_loss": 0.0}, {"methods": ("kto",)}):
        assert skip_known(lessons, recipe.model_copy(update=off), run=tmp_path, device="cpu") is lessons
    assert not (tmp_path / SKIPPED).exists()


def test_who_answers_is_asked_and_started_again_the_same_rows_are_left_out(
    base_model: Path, dataset: Path, tmp_path: Path
) -> None:
    """An adapter that learnt them knows the rows better than its base; a later start asks nobody."""
    from tune.methods.skip import measure_losses, skip_known

    night = tmp_path / "night"
    write_recipe(night, order(base_model, dataset, learning_rate=1e-2, epochs=3))
    train(night)
    lessons = read_lessons(base_model, dataset)
    rows = lessons.rows_of("sft")
    recipe = order(base_model, dataset, skip_loss=0.01)
    of_base = measure_losses(rows, recipe, run=tmp_path / "base", device="cpu")
    speaks = recipe.model_copy(update={"speaker": str(night / "adapter")})
    of_adapter = measure_losses(rows, speaks, run=tmp_path / "adapter", device="cpu")
    assert sum(of_adapter.values()) < 0.9 * sum(of_base.values())
    between = speaks.model_copy(update={"skip_loss": sorted(of_adapter.values())[10]})
    run = tmp_path / "run"
    run.mkdir()
    first = skip_known(lessons, between, run=run, device="cpu")
    assert (len(first.imitated), first.skipped) == (10, 10)
    assert sum(given.weight for given in first.imitated) == pytest.approx(10)
    gone = between.model_copy(update={"base_model": "gone"})
    assert skip_known(lessons, gone, run=run, device="cpu") == first


def read_lessons(base_model: Path, dataset: Path) -> Any:
    from nightschool.prompt import Neutraliser
    from tune import model as models
    from tune.lessons import Reader

    tokenizer = models.load_tokenizer(str(base_model))
    return Reader(
        tokenizer,
        ends=models.read_end_tokens(tokenizer, str(base_model)),
        max_tokens=512,
        neutraliser=Neutraliser(models.read_control_tokens(tokenizer)),
    ).read(dataset)
