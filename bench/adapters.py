"""What do the ways to train cost, and what is left of them when they are served? LoRA, its top third, QLoRA, full.

Real runs of `tune.train` on the same short public support rows, a process each. Served is always an adapter over the
base model as it is: QLoRA learnt over the base in 4 bits, and a whole model is served as its nearest adapter. So
perplexity of people's held-out answers is told twice: of what was trained, and of what is served. Seconds are those of
the steps; peak memory is the process's, which holds the proofs before and behind them too.
Run: python bench/adapters.py [--data FILE] [--quick]   The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.common.classroom import Class, Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.runs import call
from bench.common.workshop import open_workshop
from bench.learn import PUBLIC, SEED, likes_prose
from tune.recipe import Recipe, write_recipe
from tune.whole import MODEL

LONGEST_CHARS: Final = 700
WAYS: Final[Mapping[str, Mapping[str, Any]]] = {
    "lora": {"adapter": "lora", "learning_rate": 4e-4},
    "top_third": {"adapter": "lora", "learning_rate": 8e-4, "layers_share": 1 / 3},
    "qlora": {"adapter": "qlora", "learning_rate": 4e-4},
    "full": {"adapter": "full", "learning_rate": 2e-5},
}


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    epochs: float


FULL: Final = Plan(Sizes(taught=64, examined=60, voted=8), epochs=2)
QUICK: Final = Plan(Sizes(taught=8, examined=12, voted=8), epochs=1)


class Ran(NamedTuple):
    run: Path
    seconds: float
    peak_mb: float


def run_way(name: str, dataset: Path, folder: Path, *, model: str, epochs: float) -> Ran:
    run = folder / name
    recipe = Recipe(
        base_model=model, dataset=str(dataset), epochs=epochs, batch_size=8, seed=SEED, methods=("sft",),
        kept=str(folder / "kept"), **WAYS[name],
    )  # fmt: skip
    write_recipe(run, recipe)
    peak_mb = call("-m", "tune.train", str(run), log=folder / f"{name}.log")
    [stage] = [stage for stage in json.loads((run / "stages.json").read_text()) if stage["ran"]]
    return Ran(run, stage["seconds"], peak_mb)


def score(judge: Contestants, adapter: Path | None, pupils: Class) -> float:
    with judge.wearing(adapter):
        return perplexity(judge.score([example.chat for example in pupils.examined]))


def score_trained(ran: Ran, judge: Contestants, pupils: Class, *, model: str) -> float:
    """Of the model that took the steps: over 4 bits, or whole."""
    if (ran.run / MODEL).exists():
        return score(Contestants(str(ran.run / MODEL)), None, pupils)
    if ran.run.name == "qlora":
        return score(Contestants(model, is_quantized=True), ran.run / "adapter", pupils)
    return score(judge, ran.run / "adapter", pupils)


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=LONGEST_CHARS)
    dataset = build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED)
    judge = Contestants(model)
    figures = {"perplexity_base": score(judge, None, pupils)}
    print(f"base: {figures['perplexity_base']:.2f}")
    print("| trained | seconds | peak memory | perplexity as trained | as served |\n|---|---|---|---|---|", flush=True)
    for name in WAYS:
        ran = run_way(name, dataset, folder, model=model, epochs=plan.epochs)
        trained = score_trained(ran, judge, pupils, model=model)
        served = score(judge, ran.run / "adapter", pupils)
        print(f"| {name} | {ran.seconds:.0f} | {ran.peak_mb:.0f} MB | {trained:.2f} | {served:.2f} |", flush=True)
        figures |= {
            f"seconds_{name}": ran.seconds,
            f"peak_mb_{name}": ran.peak_mb,
            f"perplexity_trained_{name}": trained,
            f"perplexity_served_{name}": served,
        }
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    parser.add_argument("--quick", action="store_true", help="an eighth of the rows, one epoch")
    given = parser.parse_args(arguments)
    with open_workshop(model=given.model, keep=given.keep) as (folder, model):
        figures = measure(folder, given.data, model=model, plan=QUICK if given.quick else FULL)
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
