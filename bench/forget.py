"""What does a night forget, and what does replay keep? One training thrice: without, with real rows, with own ones.

Short public support questions are imported and learnt by SFT (`tune.train`), alone, beside general instructions with
the answers that people preferred (PandaLM), and beside the base model's own answers to the prompts that are shipped.
Told is what became of perplexity, in nats a token over the base: on the reference answers of MT-Bench, the like of
which no arm has seen; on PandaLM's preferred answers to other instructions, where the arm with real rows is at home;
and on held-out support answers, where a night should gain. One seed, so differences between arms are hints.
Run: python bench/forget.py [--quick] [--shared FOLDER] [--model FOLDER]   The last line is one JSON object.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from bench.common.classroom import Class, Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, Likelihood, perplexity
from bench.common.runs import train
from bench.common.workshop import open_workshop
from bench.learn import likes_prose
from eval.statistics import interval_of_mean
from nightschool.records import ChatMessage
from tune.recipe import Recipe
from tune.replay import read_replay

SHARED: Final = Path(__file__).parents[2] / "shared" / "data"
SEED: Final = 17
POOL: Final = Sizes(taught=1_000, examined=400, voted=80)
SHORT_WORDS: Final = 90
ALPHA: Final = 0.025
DRAWS: Final = 10_000
Arm = Literal["none", "rows", "own"]
ARMS: Final[tuple[Arm, ...]] = ("none", "rows", "own")
Chat = tuple[ChatMessage, ...]


@dataclass(frozen=True)
class Plan:
    taught: int
    examined: int
    general: int
    """Chats of each kind that measure what is kept."""
    epochs: float
    share: float
    """Of replay."""


FULL: Final = Plan(taught=100, examined=40, general=30, epochs=2, share=0.2)
QUICK: Final = Plan(taught=24, examined=12, general=10, epochs=1, share=0.2)


def read_pupils(shared: Path, plan: Plan) -> Class:
    every = read_class(shared / "support_qa" / "support_qa.jsonl.gz", POOL, seed=SEED)
    taught, examined = (
        [example for example in part if len(example.answer.split()) <= SHORT_WORDS]
        for part in (every.taught, every.examined)
    )
    return Class(taught[: plan.taught], examined[: plan.examined], every.voted[:4], every.others)


def read_preferred(shared: Path) -> Iterator[tuple[str, Chat]]:
    """General instructions with the answer that two of three people preferred, by group; each instruction once."""
    with (shared / "preferences" / "pandalm.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    seen: set[str] = set()
    for row in rows:
        answer = str(row.get(f"response_{row['label']}", "")).strip()
        if answer and row["group"] not in seen and 4 <= len(answer.split()) <= SHORT_WORDS:
            seen.add(row["group"])
            yield row["group"], _chat(row["prompt"][0]["content"], answer)


def read_references(shared: Path) -> list[Chat]:
    """MT-Bench's first questions that come with a reference answer."""
    with (shared / "mt_bench" / "question.jsonl").open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [_chat(row["turns"][0], row["reference"][0]) for row in rows if row.get("reference")]


def _chat(question: str, answer: str) -> Chat:
    return ChatMessage(role="user", content=question), ChatMessage(role="assistant", content=answer)


def run_night(arm: Arm, dataset: Path, folder: Path, *, model: str, plan: Plan, general: Path) -> Path:
    """The run's folder."""
    run = folder / arm
    train(
        run,
        Recipe(
            base_model=model, dataset=str(dataset), epochs=plan.epochs, learning_rate=4e-4, seed=SEED,
            replay=arm, replay_share=plan.share, replay_rows=str(general), replay_folder=str(folder / "kept"),
        ),
    )  # fmt: skip
    replay = read_replay(run)
    print(f"{arm}: {replay.describe() if replay else 'no replay'}", file=sys.stderr, flush=True)
    return run


def _rise(base: Sequence[Likelihood], after: Sequence[Likelihood]) -> dict[str, float]:
    """Nats a token by which answers became less likely, with a 95 % interval over answers, each by its mean."""
    values = np.array([one.mean - other.mean for one, other in zip(base, after, strict=True)])
    rng = np.random.default_rng(SEED)
    found = interval_of_mean(values, np.arange(len(values)), alpha=ALPHA, draws=DRAWS, rng=rng)
    return {"low": found.low, "mean": found.mean, "high": found.high}


def measure(folder: Path, shared: Path, *, model: str, plan: Plan) -> dict[str, Any]:
    pupils = read_pupils(shared, plan)
    preferred = [chat for _, chat in read_preferred(shared)]
    asked, taught = preferred[: plan.general], preferred[plan.general :]
    general = folder / "general.jsonl"
    general.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in taught))
    dataset = build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED)
    runs = {arm: run_night(arm, dataset, folder, model=model, plan=plan, general=general) for arm in ARMS}
    judge = Contestants(model)
    sets: Mapping[str, Sequence[Chat]] = {
        "references": read_references(shared)[: plan.general],
        "preferred": asked,
        "support": [example.chat for example in pupils.examined],
    }
    base = {name: judge.score(chats) for name, chats in sets.items()}
    figures: dict[str, Any] = {f"perplexity_{name}_base": perplexity(scored) for name, scored in base.items()}
    for arm, run in runs.items():
        with judge.wearing(run / "adapter"):
            for name, chats in sets.items():
                scored = judge.score(chats)
                figures[f"perplexity_{name}_{arm}"] = perplexity(scored)
                figures |= {f"rise_{name}_{arm}_{key}": value for key, value in _rise(base[name], scored).items()}
    return figures


def report(figures: Mapping[str, float]) -> None:
    print("| rise over the base, nats a token | " + " | ".join(ARMS) + " |\n|---|---|---|---|")
    for name in ("references", "preferred", "support"):
        cells = [
            "{mean:+.3f} ({low:+.3f} to {high:+.3f})".format(
                **{key: figures[f"rise_{name}_{arm}_{key}"] for key in ("low", "mean", "high")}
            )
            for arm in ARMS
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of public data")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    parser.add_argument("--quick", action="store_true", help="a quarter of the rows, one epoch")
    given = parser.parse_args()
    with open_workshop(model=given.model, keep=given.keep) as (folder, model):
        report(measure(folder, given.shared, model=model, plan=QUICK if given.quick else FULL))


if __name__ == "__main__":
    main()
