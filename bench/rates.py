"""Which learning rates do votes ask for? DPO and KTO from one SFT adapter, at several rates, on the same short rows.

The taste is that of `bench/learn.py`: flowing text rather than numbered steps, which SFT alone shows less. Told are how
often the better of two held-out answers is the likelier by the mean over its tokens, by how much it is so in the mean,
and perplexity of people's held-out answers, whose ratio to the SFT adapter's is what the votes cost. Runs in one
process, without the proof texts that end a night's training. Small, so that one seed is told; no intervals.
Run: python bench/rates.py [--data FILE] [--quick]   The last line is one JSON object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from bench.common.classroom import Class, Sizes, build_class_dataset, pair_up, read_class
from bench.common.contestants import Contestants, perplexity, prefers
from bench.common.workshop import run_on_rows
from bench.layers import read_lessons
from bench.learn import NOISE, PUBLIC, SEED, likes_prose
from tune.lessons import Lessons
from tune.methods.chain import train_chain
from tune.recipe import Recipe
from tune.start import Start

Voting = Literal["dpo", "kto"]
SFT_RATE: Final = 4e-4


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    longest_chars: int
    rates: Mapping[Voting, Sequence[float]]


FULL: Final = Plan(
    Sizes(taught=24, examined=40, voted=64),
    longest_chars=700,
    rates={"dpo": (1e-5, 5e-5, 1e-4, 2e-4), "kto": (5e-6, 5e-5, 1e-4, 2e-4)},
)
QUICK: Final = Plan(
    Sizes(taught=8, examined=8, voted=8), longest_chars=700, rates={"dpo": (1e-5, 2e-4), "kto": (5e-6, 2e-4)}
)


class Marks(NamedTuple):
    pref_acc: float
    margin: float
    """Mean over pairs of what the better answer's mean log-probability a token is above the other's."""
    perplexity: float


def train(
    method: Literal["sft", "dpo", "kto"], rate: float, lessons: Lessons, run: Path, *, model: str, start: Path | None
) -> Path:
    """The last checkpoint."""
    recipe = Recipe(
        base_model=model, dataset="bench", methods=(method,), epochs=1, batch_size=8, device="cpu", seed=SEED,
        learning_rate=rate, dpo_learning_rate=rate, kto_learning_rate=rate, min_pairs=1, min_votes=2, min_votes_each=1,
    )  # fmt: skip
    run.mkdir()
    return train_chain(lessons, recipe, Start(start, "", ""), run=run, device="cpu")


def mark(judge: Contestants, adapter: Path | None, pupils: Class) -> Marks:
    pairs = list(pair_up(pupils.examined, pupils.others["examined"], taste=likes_prose))
    said = list(dict.fromkeys([*pupils.examined, *(example for pair in pairs for example in pair)]))
    with judge.wearing(adapter):
        scored = dict(zip(said, judge.score([example.chat for example in said]), strict=True))
    better, worse = ([scored[pair[place]] for pair in pairs] for place in (0, 1))
    margins = [one.mean - other.mean for one, other in zip(better, worse, strict=True)]
    return Marks(
        float(prefers(better, worse).mean()),
        float(np.mean(margins)),
        perplexity([scored[example] for example in pupils.examined]),
    )


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=plan.longest_chars)
    lessons = read_lessons(build_class_dataset(pupils, folder, taste=likes_prose, noise=NOISE, seed=SEED), model)
    judge = Contestants(model)
    print(f"{len(lessons.imitated)} rows, {len(lessons.compared)} pairs, {len(lessons.voted)} votes", flush=True)
    print("| method | rate | better answer likelier | margin | perplexity | ratio |\n|---|---|---|---|---|---|")
    figures = {"pairs": float(len(lessons.compared)), "votes": float(len(lessons.voted))}

    def tell(name: str, rate: str, marks: Marks, *, beside: float) -> None:
        ratio = marks.perplexity / beside
        print(
            f"| {name} | {rate} | {marks.pref_acc:.3f} | {marks.margin:+.4f} | {marks.perplexity:.3f} | {ratio:.4f} |",
            flush=True,
        )
        key = f"{name}_{rate}" if rate else name
        figures.update({f"pref_acc_{key}": marks.pref_acc, f"margin_{key}": marks.margin, f"ratio_{key}": ratio})

    adapter = train("sft", SFT_RATE, lessons, folder / "sft", model=model, start=None)
    before = mark(judge, adapter, pupils)
    tell("sft", "", before, beside=before.perplexity)
    for method, rates in plan.rates.items():
        for rate in rates:
            voted = train(method, rate, lessons, folder / f"{method}-{rate:g}", model=model, start=adapter)
            tell(method, f"{rate:g}", mark(judge, voted, pupils), beside=before.perplexity)
    return figures


def main() -> None:
    run_on_rows(
        __doc__,
        data=PUBLIC,
        quick="few rows, two rates each",
        measure=lambda folder, data, model, is_quick: measure(
            folder, data, model=model, plan=QUICK if is_quick else FULL
        ),
    )


if __name__ == "__main__":
    main()
