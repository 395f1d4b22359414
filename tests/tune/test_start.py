"""From which adapter a run goes on: one that is whole and fits the recipe, else from the base model, and it says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import MANIFEST, publish
from tune.recipe import Recipe
from tune.start import find_start


def write_adapter(
    folder: Path, *, kind: str = "adapter", base_model: str = "tiny", layers_share: float | None = None, **config: Any
) -> Path:
    """Of before there was a share, unless one is given."""
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 16, "lora_alpha": 32} | config))
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    share = {} if layers_share is None else {"layers_share": layers_share}
    publish(folder, kind=kind, about={"base_model": base_model, **share})
    return folder


def recipe(start: Path | None) -> Recipe:
    return Recipe(base_model="models/tiny", dataset="d", start=str(start or ""))


def test_without_an_adapter_it_begins_as_the_base_model() -> None:
    assert find_start(recipe(None)) == (None, "", "")


def test_an_adapter_that_fits_is_gone_on_from(tmp_path: Path) -> None:
    folder, content_hash, remark = find_start(recipe(write_adapter(tmp_path / "a")))
    assert folder == tmp_path / "a"
    assert len(content_hash) == 64
    assert remark == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"r": 8}, "rank 8 instead of 16"),
        ({"lora_alpha": 8}, "alpha 8 instead of 32"),
        ({"base_model": "other"}, "base model other instead of tiny"),
        ({"kind": "dataset"}, "is no adapter"),
        ({"layers_share": 0.5}, "layers_share 0.5 instead of 1"),
    ],
)
def test_one_that_does_not_fit_is_left_in_words(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    start = find_start(recipe(write_adapter(tmp_path / "a", **changes)))
    assert start.folder is None
    assert start.remark.startswith("begun from the base model, since a ")
    assert words in start.remark


def test_a_changed_or_missing_one_is_not_gone_on_from(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "a")
    (folder / "adapter_model.safetensors").write_bytes(b"others")
    assert "differs from its manifest" in find_start(recipe(folder)).remark
    assert "has no manifest" in find_start(recipe(tmp_path / "gone")).remark
    (folder / MANIFEST).write_bytes(b"{")
    assert "is damaged" in find_start(recipe(folder)).remark
