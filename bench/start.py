"""From the base model each night, or on from production? Nights in a row on a growing record, learnt both ways.

Each night has a further part of the short public support rows and learns all that there are so far by SFT: from the
base model, from the adapter of the night before with as many passes, and from it with half of them. Told are perplexity
of people's held-out answers and of general text (`eval/suite/general.yaml`) under each night's adapter, and how many
rows were gone through. One seed. Runs in one process, without the proof texts that end a night's training.
Run: python bench/start.py [--data FILE] [--quick]   The last line is one JSON object.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from bench.common.classroom import Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.workshop import open_workshop
from bench.layers import read_lessons
from bench.learn import PUBLIC, SEED, likes_prose
from bench.methods import SUITES
from bench.skip import RATE
from eval.suite.golden import read_golden
from nightschool.records import ChatMessage
from tune.lessons import Lessons
from tune.methods.chain import train_chain
from tune.recipe import Recipe
from tune.start import Start


class Way(NamedTuple):
    name: str
    goes_on: bool
    """From the night before."""
    passes: float
    """Of a night from the base model."""


WAYS: Final = (
    Way("from the base model", goes_on=False, passes=1),
    Way("on from production", goes_on=True, passes=1),
    Way("on from production, half the passes", goes_on=True, passes=0.5),
)


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    longest_chars: int
    nights: int
    epochs: float


FULL: Final = Plan(Sizes(taught=120, examined=60, voted=0), longest_chars=900, nights=5, epochs=2)
QUICK: Final = Plan(Sizes(taught=16, examined=8, voted=0), longest_chars=700, nights=2, epochs=2)


def train(lessons: Lessons, run: Path, before: Path | None, *, model: str, epochs: float) -> Path:
    """The last checkpoint, from the one of the night before or from the base model."""
    recipe = Recipe(
        base_model=model, dataset="bench", epochs=epochs, batch_size=8, device="cpu", seed=SEED, learning_rate=RATE
    )
    run.mkdir()
    return train_chain(lessons, recipe, Start(before, "", ""), run=run, device="cpu")


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=plan.longest_chars)
    lessons = read_lessons(build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED), model)
    held_out = [example.chat for example in pupils.examined]
    general = [
        (*case.messages, ChatMessage(role="assistant", content=case.reference or ""))
        for case in read_golden(SUITES / "general.yaml", system_prompt="")
    ]
    judge = Contestants(model)
    base, base_general = (perplexity(judge.score(chats)) for chats in (held_out, general))
    print("| night | rows | way | rows gone through | perplexity, held out | general text |\n|---|---|---|---|---|---|")
    print(f"| | | base model | 0 | {base:.3f} | {base_general:.2f} |", flush=True)
    figures = {"base": base, "base_general": base_general}
    last: dict[Way, Path | None] = dict.fromkeys(WAYS)
    for night in range(1, plan.nights + 1):
        so_far = replace(lessons, imitated=lessons.imitated[: len(lessons.imitated) * night // plan.nights])
        for number, way in enumerate(WAYS):
            epochs = plan.epochs * way.passes
            run = folder / f"night-{night}-{number}"
            last[way] = train(so_far, run, last[way] if way.goes_on else None, model=model, epochs=epochs)
            with judge.wearing(last[way]):
                found, found_general = (perplexity(judge.score(chats)) for chats in (held_out, general))
            rows, gone_through = len(so_far.imitated), len(so_far.imitated) * epochs
            cells = (night, rows, way.name, f"{gone_through:.0f}", f"{found:.3f}", f"{found_general:.2f}")
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            figures |= {f"{_key(way)}_{night}": found, f"{_key(way)}_{night}_general": found_general}
    return figures


def _key(way: Way) -> str:
    return way.name.replace(",", "").replace(" ", "_")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--quick", action="store_true", help="an eighth of the rows, short ones, two nights")
    given = parser.parse_args()
    with open_workshop(model=given.model) as (folder, model):
        figures = measure(folder, given.data, model=model, plan=QUICK if given.quick else FULL)
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
