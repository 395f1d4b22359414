"""What does it cost to leave rows out that production knows already? SFT for as many steps with and without them.

One night learns half of the short public support rows: it is production. The next night has all of them, from the base
model, and leaves out none, or those whose mean loss a token under production is below .1, .3, .5 or 1.0; the rows that
are left are gone through more often, so that all take as many steps. Told are how many rows were left out and the
perplexity of people's held-out answers, beside the night that left out none. One seed. Runs in one process, without the
proof texts that end a night's training.
Run: python bench/skip.py [--data FILE] [--quick]   The last line is one JSON object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench.common.classroom import Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.workshop import run_on_rows
from bench.layers import read_lessons
from bench.learn import PUBLIC, SEED, likes_prose
from nightschool.files import publish
from tune.lessons import Lessons
from tune.methods.chain import train_chain
from tune.methods.skip import choose_skipped, measure_losses
from tune.model import export_adapter
from tune.recipe import Recipe
from tune.start import Start

THRESHOLDS: Final = (0.1, 0.3, 0.5, 1.0)
RATE: Final = 4e-4


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    longest_chars: int
    epochs: float
    """Of production, and of the night that leaves out none."""


FULL: Final = Plan(Sizes(taught=96, examined=60, voted=0), longest_chars=900, epochs=3)
QUICK: Final = Plan(Sizes(taught=16, examined=8, voted=0), longest_chars=700, epochs=2)


def train(lessons: Lessons, run: Path, *, model: str, epochs: float, before: Path | None = None) -> Path:
    """The last checkpoint; `before` is the one to go on from, none begins at the base model."""
    recipe = Recipe(
        base_model=model, dataset="bench", epochs=epochs, batch_size=8, device="cpu", seed=SEED, learning_rate=RATE
    )
    run.mkdir()
    return train_chain(lessons, recipe, Start(before, "", ""), run=run, device="cpu")


def measure_known(adapter: Path, lessons: Lessons, folder: Path, *, model: str) -> Mapping[str, float]:
    """Each row's mean loss a token under production, as a night finds it."""
    recipe = Recipe(base_model=model, dataset="bench", micro_batch_size=8, device="cpu", speaker=str(adapter))
    return measure_losses(lessons.rows_of("sft"), recipe, run=folder, device="cpu")


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=plan.longest_chars)
    lessons = read_lessons(build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED), model)
    half = replace(lessons, imitated=lessons.imitated[::2])
    production = folder / "adapter"
    publish_production(train(half, folder / "production", model=model, epochs=plan.epochs), production, model=model)
    losses = measure_known(production, lessons, folder, model=model)
    rows = len(lessons.imitated)
    judge = Contestants(model)
    figures: dict[str, float] = {"rows": rows}
    print("| left out below | rows | perplexity |\n|---|---|---|")
    for threshold in (0.0, *THRESHOLDS):
        skipped = choose_skipped(losses, Recipe(base_model=model, dataset="bench", skip_loss=threshold))
        left = lessons.without(skipped.item_ids)
        epochs = plan.epochs * rows / len(left.imitated)
        name = f"{threshold:g}" if threshold else "none"
        if threshold and not skipped.item_ids:
            print(f"| {name} | 0 | as none |", flush=True)
            figures[f"skipped_{name}"] = 0
            continue
        with judge.wearing(train(left, folder / name, model=model, epochs=epochs)):
            found = perplexity(judge.score([example.chat for example in pupils.examined]))
        print(f"| {name} | {left.skipped} | {found:.3f} |", flush=True)
        figures |= {f"skipped_{name}": left.skipped, f"perplexity_{name}": found}
    return figures


def publish_production(checkpoint: Path, target: Path, *, model: str) -> None:
    export_adapter(checkpoint, target, base_model=model)
    publish(target, kind="adapter", about={"base_model": Path(model).name})


def main() -> None:
    run_on_rows(
        __doc__,
        data=PUBLIC,
        quick="a sixth of the rows, short ones",
        measure=lambda folder, data, model, is_quick: measure(
            folder, data, model=model, plan=QUICK if is_quick else FULL
        ),
    )


if __name__ == "__main__":
    main()
