"""Does a night teach? Held-out questions under base, a night's adapter, and what TRL would make of the same rows.

Public support questions are imported, a taste of our making (flowing text rather than numbered steps) votes with a
tenth of its votes turned round, and one dataset is built of it all by the record's own doors. Then real runs of
`tune.train`: SFT, and from its adapter DPO and KTO; and plain TRL with its defaults on the same SFT rows for as many
epochs. Told are perplexity of people's held-out answers, ROUGE-L and token F1 of greedy answers (gains with 95 %
intervals over groups), and how often the better of two held-out answers is the likelier by the mean over its tokens.
Gains of DPO and KTO are differences to the SFT run on the same pairs, and the accuracy of their reward is the share of
those pairs in which they moved likelihood from the worse answer to the better one. Says nothing of how real votes look.
Run: python bench/learn.py [--data FILE] [--quick]   The last line is one JSON object.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.common.classroom import Class, Sizes, build_class_dataset, pair_up, read_class
from bench.common.contestants import Contestants, perplexity, prefers
from bench.common.plain_rows import write_plain_rows
from bench.common.runs import call, train
from bench.common.workshop import open_workshop
from eval.metrics.text import rouge_l, token_f1
from eval.statistics import interval_of_mean
from nightschool.methods import USUAL, Method
from tune.recipe import Recipe

PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data" / "support_qa" / "support_qa.jsonl.gz"
SEED: Final = 17
NOISE: Final = 0.1
ALPHA: Final = 0.025
DRAWS: Final = 10_000


@dataclass(frozen=True)
class Plan:
    sizes: Sizes
    epochs: float
    answers: int
    """Questions that are answered; all are scored."""
    max_tokens: int
    longest_chars: int | None = None
    """Of question and answer together; None takes chats of any length."""


FULL: Final = Plan(Sizes(taught=90, examined=100, voted=90), epochs=2, answers=60, max_tokens=96)
QUICK: Final = Plan(Sizes(taught=16, examined=12, voted=16), epochs=1, answers=6, max_tokens=24, longest_chars=700)


def likes_prose(answer: str) -> bool:
    """The hidden taste: flowing text rather than numbered steps, against what base and examples lean to."""
    return "\n1." not in answer


def run_night(method: Method, dataset: Path, folder: Path, *, model: str, plan: Plan, start: Path | None) -> Path:
    """The adapter that one method ends with; `start`: the one it goes on from, as in a night's chain."""
    return train(
        folder / method,
        Recipe(
            base_model=model, dataset=str(dataset), methods=(method,), start=str(start or ""), epochs=plan.epochs,
            learning_rate=4e-4, batch_size=8, seed=SEED,
            min_pairs=1, min_votes=2, min_votes_each=1,
        ),
    )  # fmt: skip


def run_plain(dataset: Path, folder: Path, *, model: str, plan: Plan) -> Path:
    rows, out = folder / "plain.jsonl", folder / "plain"
    if (out / "figures.json").exists():  # of a measurement that was broken off
        return out
    out.mkdir(exist_ok=True)
    write_plain_rows("sft", dataset, rows)
    script = str(Path(__file__).parent / "common" / "plain_trl.py")
    call(
        script, "sft", str(rows), "--model", model, "--out", str(out), "--epochs", str(plan.epochs),
        log=folder / "plain.log",
    )  # fmt: skip
    return out


@dataclass(frozen=True)
class Marks:
    """Of one contestant on the same rows."""

    perplexity: float
    prefers: NDArray[np.float64]
    """(pairs,) 1 where the better answer is the likelier one."""
    leads: NDArray[np.float64]
    """(pairs,) How much likelier, over all of its tokens: a logarithm."""
    answers: Sequence[str]


def mark(judge: Contestants, adapter: Path | None, pupils: Class, *, plan: Plan, answers: int) -> Marks:
    """`answers`: so many questions are answered too."""
    pairs = list(pair_up(pupils.examined, pupils.others["examined"], taste=likes_prose))
    said = list(dict.fromkeys([*pupils.examined, *(example for pair in pairs for example in pair)]))
    with judge.wearing(adapter):
        scored = dict(zip(said, judge.score([example.chat for example in said]), strict=True))
        answered = judge.answer([e.chat for e in pupils.examined[:answers]], max_tokens=plan.max_tokens)
    return Marks(
        perplexity=perplexity([scored[example] for example in pupils.examined]),
        prefers=prefers(*([scored[pair[place]] for pair in pairs] for place in (0, 1))),
        leads=np.array([scored[better].log_prob - scored[worse].log_prob for better, worse in pairs]),
        answers=answered,
    )


def compare(marks: Mapping[str, Marks], pupils: Class) -> dict[str, float]:
    """The figures under their keys; `_low` and `_high` bound a 95 % interval."""
    base, tuned = marks["base"], marks["sft"]
    figures = {f"perplexity_{name}": of.perplexity for name, of in marks.items()}
    figures["perplexity_tuned"] = figures.pop("perplexity_sft")
    asked = pupils.examined[: len(tuned.answers)]
    groups = np.unique([example.group for example in asked], return_inverse=True)[1]
    for name, metric in (("rouge_l", rouge_l), ("f1", token_f1)):
        before, after = (
            np.array([metric(answer, reference=e.answer) for answer, e in zip(of.answers, asked, strict=True)])
            for of in (base, tuned)
        )
        figures |= {f"{name}_base": before.mean(), f"{name}_tuned": after.mean()}
        figures |= _bounds(f"{name}_gain", after - before, groups)
    for name in ("base", *USUAL):
        figures[f"pref_acc_{name}"] = float(marks[name].prefers.mean())
    pairs = np.arange(len(tuned.prefers))
    for name in ("dpo", "kto"):
        figures |= _bounds(f"pref_gain_{name}", marks[name].prefers - tuned.prefers, pairs)
        # What DPO calls the accuracy of its reward (Rafailov et al. 2023): one half is chance.
        figures |= _bounds(f"reward_acc_{name}", (marks[name].leads > tuned.leads).astype(float), pairs)
        figures[f"perplexity_ratio_{name}"] = marks[name].perplexity / tuned.perplexity
    return figures


def _bounds(name: str, values: NDArray[np.float64], labels: NDArray[np.int64]) -> dict[str, float]:
    found = interval_of_mean(values, labels, alpha=ALPHA, draws=DRAWS, rng=np.random.default_rng(SEED))
    return {f"{name}_low": found.low, name: found.mean, f"{name}_high": found.high}


def report(figures: Mapping[str, float]) -> None:
    print("| figure | value |")
    print("|---|---|")
    for name, figure in figures.items():
        print(f"| {name} | {figure:.3f} |")
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL: `group`, `intent`, `messages`")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder, leave it, and take what stands in it")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, short ones, one epoch")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    with open_workshop(model=given.model, keep=given.keep) as (folder, model):
        report(measure(folder, given.data, model=model, plan=plan))


def measure(folder: Path, data: Path, *, model: str, plan: Plan) -> dict[str, float]:
    pupils = read_class(data, plan.sizes, seed=SEED, longest_chars=plan.longest_chars)
    dataset = build_class_dataset(pupils, folder, taste=likes_prose, noise=NOISE, seed=SEED)
    adapters: dict[str, Path | None] = {"base": None, "plain_trl": run_plain(dataset, folder, model=model, plan=plan)}
    for method in USUAL:
        start = None if method == "sft" else adapters["sft"]
        adapters[method] = run_night(method, dataset, folder, model=model, plan=plan, start=start)
    judge = Contestants(model)
    asked = {"base": plan.answers, "sft": plan.answers}
    return compare(
        {
            name: mark(judge, adapter, pupils, plan=plan, answers=asked.get(name, 0))
            for name, adapter in adapters.items()
        },
        pupils,
    )


if __name__ == "__main__":
    main()
