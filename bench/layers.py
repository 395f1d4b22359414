"""Does it pay to let the top third of the layers learn alone, with what the frozen ones make of a row kept on disk?

SFT on the same short public support rows by three recipes: all layers at two learning rates, and the top third at the
higher one, each from two seeds. Told are perplexity of people's held-out answers, token F1 of greedy answers, CPU
seconds of the training loop, of all threads, and what was kept. The first seed finds nothing kept; the second finds
every row, as a later night would. Runs in one process, without the proof texts that end a night's training.
Run: python bench/layers.py [--data FILE] [--rows N] [--quick]   The last line is one JSON object.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bench.common.classroom import Class, Example, Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.workshop import open_workshop
from bench.learn import PUBLIC, SEED, likes_prose
from eval.metrics.text import token_f1
from nightschool.prompt import Neutraliser
from tune import model as models
from tune.lessons import Lessons, Reader
from tune.methods.chain import train_chain
from tune.recipe import Recipe
from tune.start import Start

SEEDS: Final = (17, 23)
POOL: Final = Sizes(taught=1500, examined=600, voted=0)
"""The shortest of so many are taken."""


class Way(NamedTuple):
    layers_share: float
    learning_rate: float


WAYS: Final[Mapping[str, Way]] = {
    "all_4e4": Way(1.0, 4e-4),
    "all_8e4": Way(1.0, 8e-4),
    "top_8e4": Way(1 / 3, 8e-4),
}


@dataclass(frozen=True)
class Plan:
    rows: int
    examined: int
    answers: int
    max_tokens: int
    epochs: float
    seeds: Sequence[int]


FULL: Final = Plan(rows=96, examined=96, answers=32, max_tokens=48, epochs=2, seeds=SEEDS)
QUICK: Final = Plan(rows=12, examined=8, answers=2, max_tokens=16, epochs=1, seeds=SEEDS[:1])


class Ran(NamedTuple):
    perplexity: float
    f1: float
    cpu_s: float


def choose_short(data: Path, plan: Plan) -> Class:
    pupils = read_class(data, POOL, seed=SEED)

    def shortest(examples: Sequence[Example], count: int) -> list[Example]:
        return sorted(examples, key=lambda example: len(example.question + example.answer))[:count]

    return pupils._replace(taught=shortest(pupils.taught, plan.rows), examined=shortest(pupils.examined, plan.examined))


def read_lessons(dataset: Path, model: str) -> Lessons:
    tokenizer = models.load_tokenizer(model)
    reader = Reader(
        tokenizer,
        ends=models.read_end_tokens(tokenizer, model),
        max_tokens=512,
        neutraliser=Neutraliser(models.read_control_tokens(tokenizer)),
    )
    return reader.read(dataset)


def train(way: Way, lessons: Lessons, folder: Path, *, model: str, epochs: float, seed: int) -> tuple[Path, float]:
    """The last checkpoint, and CPU seconds."""
    recipe = Recipe(
        base_model=model, dataset="bench", epochs=epochs, seed=seed, batch_size=8, device="cpu",
        learning_rate=way.learning_rate, layers_share=way.layers_share, kept=str(folder / "kept"),
    )  # fmt: skip
    run = folder / f"{way.layers_share:.2f}-{way.learning_rate:g}-{seed}"
    run.mkdir()
    began = time.process_time()
    last = train_chain(lessons, recipe, Start(None, "", ""), run=run, device="cpu")
    return last, time.process_time() - began


def mark(judge: Contestants, adapter: Path | None, pupils: Class, *, plan: Plan, cpu_s: float) -> Ran:
    asked = pupils.examined[: plan.answers]
    with judge.wearing(adapter):
        scored = judge.score([example.chat for example in pupils.examined])
        answers = judge.answer([example.chat for example in asked], max_tokens=plan.max_tokens)
    f1 = [token_f1(answer, reference=example.answer) for answer, example in zip(answers, asked, strict=True)]
    return Ran(perplexity(scored), float(np.mean(f1)), cpu_s)


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = choose_short(data, plan)
    lessons = read_lessons(build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED), model)
    judge = Contestants(model)
    tokens = sum(len(given.row.input_ids) for given in lessons.imitated)
    print(f"{len(lessons.imitated)} rows, {tokens} tokens, {plan.epochs} epochs", flush=True)
    print("| layers, rate | seed | perplexity | token F1 | CPU seconds |")
    print("|---|---|---|---|---|")
    base = mark(judge, None, pupils, plan=plan, cpu_s=0)
    print(f"| none | | {base.perplexity:.2f} | {base.f1:.3f} | |", flush=True)
    figures = {"rows": len(lessons.imitated), "tokens": tokens, "perplexity_base": base.perplexity, "f1_base": base.f1}
    for seed in plan.seeds:
        for name, way in WAYS.items():
            adapter, cpu_s = train(way, lessons, folder, model=model, epochs=plan.epochs, seed=seed)
            ran = mark(judge, adapter, pupils, plan=plan, cpu_s=cpu_s)
            print(f"| {name} | {seed} | {ran.perplexity:.2f} | {ran.f1:.3f} | {ran.cpu_s:.0f} |", flush=True)
            figures |= {f"{figure}_{name}_{seed}": value for figure, value in ran._asdict().items()}
    kept = sum(file.stat().st_size for file in (folder / "kept").rglob("*") if file.is_file())
    return figures | {"kept_mb": kept / 1e6, "kept_bytes_a_token": kept / tokens}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--rows", type=int, help="so many rows to learn from")
    parser.add_argument("--quick", action="store_true", help="a dozen rows, one epoch, one seed")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    if given.rows:
        plan = Plan(given.rows, plan.examined, plan.answers, plan.max_tokens, plan.epochs, plan.seeds)
    with open_workshop(model=given.model) as (folder, model):
        figures = measure(folder, given.data, model=model, plan=plan)
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
