"""From the base model each night, or on from production? Nights in a row on a growing record, learnt both ways.

Each night has a further part of the short public support rows and learns all that there are so far by SFT: from the
base model, from the adapter of the night before with as many passes, and from it with half of them. Told are perplexity
of people's held-out answers and of general text (`eval/suite/general.yaml`) under each night's adapter, and how many
rows were gone through. One seed. Runs in one process, without the proof texts that end a night's training.
Run: python bench/start.py [--data FILE] [--quick]   The last line is one JSON object.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from bench.common.classroom import Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.workshop import run_on_rows
from bench.layers import read_lessons
from bench.learn import PUBLIC, SEED, likes_prose
from bench.methods import SUITES
from bench.skip import train
from eval.suite.golden import read_golden
from nightschool.records import ChatMessage


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
            last[way] = train(so_far, run, model=model, epochs=epochs, before=last[way] if way.goes_on else None)
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
    run_on_rows(
        __doc__,
        data=PUBLIC,
        quick="an eighth of the rows, short ones, two nights",
        measure=lambda folder, data, model, is_quick: measure(
            folder, data, model=model, plan=QUICK if is_quick else FULL
        ),
    )


if __name__ == "__main__":
    main()
