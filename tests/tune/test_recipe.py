from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from tune.recipe import Recipe, read_recipe, write_recipe


@pytest.mark.parametrize("name", ["models/a b", 'a "quoted" one', "back\\slash", "ünïcode 漢 🙂", "tab\there\x7f"])
def test_a_recipe_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    recipe = Recipe(base_model=name, dataset="d", epochs=2.5, learning_rate=1e-5, device="cpu")
    write_recipe(tmp_path / "run", recipe)
    assert read_recipe(tmp_path / "run") == recipe


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base_model = "m"\ndataset = "d"\nepoch = 2\nrank = 0\n')
    with pytest.raises(InvalidInput) as caught:
        read_recipe(tmp_path)
    assert "did you mean epochs?" in str(caught.value)
    assert "rank" in str(caught.value)


def test_a_folder_without_a_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is missing"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.toml").write_text("= 3")
    with pytest.raises(InvalidInput, match="not TOML"):
        read_recipe(tmp_path)


@pytest.mark.parametrize("methods", [("sft",), ("dpo",), ("sft", "kto"), ("sft", "dpo", "kto")])
def test_methods_are_read_as_they_were_written(tmp_path: Path, methods: Any) -> None:
    recipe = Recipe(base_model="m", dataset="d", methods=methods, kto_loss="apo_zero_unpaired")
    write_recipe(tmp_path, recipe)
    assert read_recipe(tmp_path) == recipe


@pytest.mark.parametrize(
    "methods",
    ['["kto", "sft"]', '["sft", "sft"]', "[]", '["ppo"]', '["sft", "grpo"]', '["reward"]', '["sft", "rejection"]'],
)
def test_methods_in_another_order_twice_or_unknown_are_refused(tmp_path: Path, methods: str) -> None:
    (tmp_path / "recipe.toml").write_text(f'base_model = "m"\ndataset = "d"\nmethods = {methods}\n')
    with pytest.raises(InvalidInput, match="methods"):
        read_recipe(tmp_path)


def test_a_recipe_of_before_has_its_one_method(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('base_model = "m"\ndataset = "d"\nmethod = "sft"\n')
    assert read_recipe(tmp_path).methods == ("sft",)


def test_a_whole_model_has_defaults_of_its_own(tmp_path: Path) -> None:
    recipe = Recipe(base_model="m", dataset="d", adapter="full", dpo_learning_rate=3e-6)
    assert (recipe.learning_rate, recipe.dpo_learning_rate, recipe.checkpoint_steps) == (2e-5, 3e-6, 25)
    write_recipe(tmp_path, recipe)
    assert read_recipe(tmp_path) == recipe
    assert Recipe(base_model="m", dataset="d", adapter="qlora").checkpoint_steps == 5
