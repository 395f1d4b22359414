"""The newest passes are kept, and an older one goes only once the one in its place has its line."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from nightschool.files import read_manifest
from nightschool.run_files import ADAPTER
from tune.batches import Plan
from tune.methods.course import Course
from tune.methods.passes import KeepPasses
from tune.passes import find_kept
from tune.recipe import Recipe


class Learner:
    """Writes what PEFT would, so far as it is looked at."""

    def save_pretrained(self, folder: str) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "adapter_model.safetensors").write_bytes(b"weights")
        (Path(folder) / "adapter_config.json").write_text(json.dumps({"target_modules": ["q_proj"]}))


@pytest.fixture
def keeping(tmp_path: Path) -> KeepPasses:
    plan = Plan(order=tuple(range(4)) * 4, steps=8, rows_per_epoch=4, batch_size=2)
    recipe = Recipe(base_model="tiny", dataset="none", keeps_passes=2)
    return KeepPasses(recipe, Course("sft", plan, 1e-4, 0), run=tmp_path)


def take_step(keeping: KeepPasses, step: int) -> None:
    keeping.on_step_begin()
    keeping.on_step_end(None, SimpleNamespace(global_step=step), None, model=Learner())


def kept_in(run: Path) -> list[int]:
    assert all(read_manifest(one.folder / ADAPTER) for one in find_kept(run))
    return [one.step for one in find_kept(run)]


def test_an_older_pass_goes_once_the_step_behind_the_newer_one_begins(keeping: KeepPasses, tmp_path: Path) -> None:
    for step in range(1, 7):
        take_step(keeping, step)
    assert kept_in(tmp_path) == [2, 4, 6]
    take_step(keeping, 7)
    assert kept_in(tmp_path) == [4, 6]
    take_step(keeping, 8)
    assert kept_in(tmp_path) == [4, 6]  # the last one is what was learnt


def test_a_training_that_ends_early_leaves_no_more(keeping: KeepPasses, tmp_path: Path) -> None:
    for step in range(1, 7):
        take_step(keeping, step)
    keeping.on_train_end()
    assert kept_in(tmp_path) == [4, 6]
