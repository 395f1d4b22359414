"""Keep the adapter as it stands after each pass over a stage's rows but the last one, and of those the newest.

A step that is taken again after a kill writes the same bytes again. Does not know what the adapters are for.
"""

import shutil
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from nightschool.files import publish
from nightschool.run_files import ADAPTER
from tune.batches import pass_ends
from tune.methods.course import Course
from tune.model import export_adapter
from tune.passes import find_kept, pass_folder
from tune.recipe import Recipe


class KeepPasses(TrainerCallback):
    def __init__(self, recipe: Recipe, course: Course, *, run: Path) -> None:
        self._base_model, self._phase, self._run = recipe.base_model, course.phase, run
        self._most, self._steps = recipe.keeps_passes, pass_ends(course.plan) - {course.plan.steps}

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ARG002 - as it is called
        if state.global_step not in self._steps:
            return
        folder = pass_folder(self._run, self._phase, state.global_step)
        draft = folder / "draft"
        given["model"].save_pretrained(str(draft))
        export_adapter(draft, folder / ADAPTER, base_model=self._base_model)
        shutil.rmtree(draft)
        publish(folder / ADAPTER, kind="adapter")

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        # Not as soon as a newer one is kept: that one counts from the line of its step on, behind the validation.
        self._drop_older()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self._drop_older()  # where it ended early, by its deadline

    def _drop_older(self) -> None:
        kept = [one.folder for one in find_kept(self._run) if one.phase == self._phase]
        for older in kept[: -self._most]:
            _drop(older)


def _drop(folder: Path) -> None:
    # At once: what a kill leaves in the middle would be taken for a pass.
    away = folder.with_name("dropped")
    shutil.rmtree(away, ignore_errors=True)
    folder.rename(away)
    shutil.rmtree(away)
