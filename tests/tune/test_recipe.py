from pathlib import Path

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
