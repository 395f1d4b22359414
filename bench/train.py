"""How fast does a night's trainer learn, and in how much memory, beside plain TRL with its defaults?

SFT, DPO and KTO, in processes of their own and in turns: `tune.train` with one method, and TRL's trainer as a user
would write it (bench/common/plain_trl.py). Same base model, rows, batch, epochs, rank and learning rate (TRL's),
public support answers of their real length. Seconds are those of the steps, and of what a trainer asks its reference
beforehand; loading, tokenising and our proofs before and behind them, which do not grow with the rows, are not counted.
Peak memory is the process's. With `--llama-factory`, a folder for an environment of its own, LLaMA-Factory has its turn
with the same rows, batch and learning rate. `loss_ratio` is the held-out loss behind our SFT over the one behind
TRL's: 1 says that nothing was paid for the speed.
Run: python bench/train.py [--data FILE] [--llama-factory FOLDER] [--quick]   The last line is one JSON object.
"""

import argparse
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from bench.common import llama_factory
from bench.common.classroom import Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants
from bench.common.plain_rows import write_plain_rows
from bench.common.runs import call
from bench.common.workshop import open_workshop
from bench.learn import PUBLIC, SEED, likes_prose
from nightschool.methods import USUAL, Method
from tune.recipe import Recipe, write_recipe

PLAIN: Final = Path(__file__).parent / "common" / "plain_trl.py"
LEARNING_RATES: Final[dict[Method, float]] = {"sft": 2e-5, "dpo": 1e-6, "kto": 1e-6}
"""TRL's defaults."""
BATCH: Final = 8


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    longest_chars: int | None = None
    """Of question and answer together; None takes chats of any length."""


FULL: Final = Plan(Sizes(taught=24, examined=60, voted=16))
QUICK: Final = Plan(Sizes(taught=8, examined=20, voted=10), longest_chars=700)


@dataclass(frozen=True)
class Ran:
    seconds: float
    peak_mb: float
    adapter: Path


def run_ours(method: Method, dataset: Path, folder: Path, *, model: str) -> Ran:
    run = folder / f"ours-{method}"
    rate = LEARNING_RATES[method]
    write_recipe(
        run,
        Recipe(
            base_model=model, dataset=str(dataset), methods=(method,), epochs=1, batch_size=BATCH, seed=SEED,
            max_tokens=1024, learning_rate=rate, dpo_learning_rate=rate, kto_learning_rate=rate,
            dpo_sft_weight=0, dpo_label_smoothing=0, min_pairs=1, min_votes=2, min_votes_each=1,
        ),
    )  # fmt: skip
    log = run / f"{run.name}.log"
    peak_mb = call("-m", "tune.train", str(run), log=log)
    [stage] = [stage for stage in json.loads((run / "stages.json").read_text()) if stage["ran"]]
    return Ran(stage["seconds"] + reference_s(log), peak_mb, run / "adapter")


def reference_s(log: Path) -> float:
    """Between the proof of the arithmetic and the first step a trainer asks its reference, where its method has one."""
    at = {
        name: datetime.fromisoformat(line[:23].replace(",", "."))
        for line in log.read_text().splitlines()
        for name in ("arithmetic=", "resumed_at=")
        if line[:2] == "20" and name in line
    }
    return (at["resumed_at="] - at["arithmetic="]).total_seconds()


def run_plain(method: Method, rows: Path, folder: Path, *, model: str) -> Ran:
    out = folder / f"plain-{method}"
    out.mkdir()
    peak_mb = call(str(PLAIN), method, str(rows), "--model", model, "--out", str(out), log=out / f"{out.name}.log")
    return Ran(json.loads((out / "figures.json").read_text())["seconds"], peak_mb, out)


def run_factory(method: Method, rows: Path, folder: Path, *, model: str, python: Path) -> Ran:
    out = folder / f"factory-{method}"
    settings = {"learning_rate": LEARNING_RATES[method], "per_device_train_batch_size": BATCH, "cutoff_len": 1024}
    trained = llama_factory.train(method, rows, out, python=python, model=model, settings=settings)
    return Ran(*trained, out / "adapter")


def measure(folder: Path, data: Path, *, model: str, plan: Plan, factory: Path | None) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=plan.longest_chars)
    dataset = build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED)
    figures: dict[str, float] = {}
    losses: dict[str, float] = {}
    judge = Contestants(model)
    python = llama_factory.prepare(factory) if factory else None
    print("| method | rows | ours | beside | | times as fast | peak memory, ours | beside |")
    print("|---|---|---|---|---|---|---|---|")
    for method in USUAL:
        rows = folder / f"{method}.jsonl"
        count = write_plain_rows(method, dataset, rows)
        plain = run_plain(method, rows, folder, model=model)
        ours = run_ours(method, dataset, folder, model=model)
        beside = {"TRL": plain}
        if python:
            beside["LLaMA-Factory"] = run_factory(method, rows, folder, model=model, python=python)
        figures |= {
            f"speedup_{method}": plain.seconds / ours.seconds,
            f"peak_mb_{method}": ours.peak_mb,
            f"peak_mb_{method}_plain": plain.peak_mb,
        }
        for name, other in beside.items():
            figures |= {} if other is plain else {f"speedup_{method}_llama_factory": other.seconds / ours.seconds}
            print(
                f"| {method} | {count} | {ours.seconds:.0f} s | {name} | {other.seconds:.0f} s "
                f"| {other.seconds / ours.seconds:.2f} | {ours.peak_mb:.0f} MB | {other.peak_mb:.0f} MB |",
                flush=True,
            )
        if method == "sft":
            for name, ran in {"ours": ours, **beside}.items():
                with judge.wearing(ran.adapter):
                    scored = judge.score([example.chat for example in pupils.examined])
                losses[name] = -float(np.sum([s.log_prob for s in scored]) / np.sum([s.tokens for s in scored]))
    if factory:
        figures["loss_ratio_llama_factory"] = losses["ours"] / losses["LLaMA-Factory"]
    return figures | {"loss_ratio": losses["ours"] / losses["TRL"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--llama-factory", type=Path, help="environment that holds it, or is to: beside it too")
    parser.add_argument("--quick", action="store_true", help="a third of the rows, short ones")
    given = parser.parse_args()
    with open_workshop(model=given.model) as (folder, model):
        plan = QUICK if given.quick else FULL
        figures = measure(folder, given.data, model=model, plan=plan, factory=given.llama_factory)
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
