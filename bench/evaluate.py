"""How fast is an exam, beside lm-evaluation-harness, and how long does a night's take from the second night on?

The shipped held-out conversations become a dataset, each question with what the bot's documents hold for it, and its
rows are answered and their references scored by the base model: by us through vLLM as a night does it, by lm-eval with
its `hf` model on the same CPU, which is what its users have there, and by lm-eval through the same vLLM server
(`local-completions`). Rows, prompts, longest answer and arithmetic are the same, words are the likeliest. We ask half
of the rows before the rivals and half behind them, since a shared machine has bad minutes. No start counts. Scores are
compared row by row: bf16 sums differ with the rows of a batch, so greedy texts part somewhere.
Then two nights' exams with an adapter of a real training, as the shipped bot's are, with guard, suites, verdict and
report: in the first one base and that candidate are asked; in the second one what they said is kept, and the same
adapter, somewhat weaker, is asked alone.
Run: python bench/evaluate.py [--quick] [--model FOLDER] [--adapter FOLDER]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from bench.common.harness import Backend, Examined, examine_by_harness, make_environment
from bench.common.runs import train
from bench.common.served import Served, serve
from bench.common.shipped import BOTS, open_shipped, write_dataset
from bench.common.workshop import open_workshop
from deploy.orders import guard_of, rules_of, sampling_of, suites_of
from eval.answers import Answer, Contestant, answer_suite
from eval.examine import examine
from eval.metrics.corpus import chrf
from eval.metrics.text import token_f1
from eval.suites import SuiteRow, read_suite
from nightschool.bots import Bot, load_bot
from nightschool.files import read_manifest
from nightschool.knowledge import Search
from nightschool.records import BASE, Sampling
from nightschool.settings import EngineSettings
from tune.recipe import Recipe

AT_ONCE: Final = 16
TARGET: Final = 2.0
TARGET_NIGHT_S: Final = 120.0
RIVALS: Final[tuple[Backend, ...]] = ("hf", "local-completions")


@dataclass(frozen=True)
class Plan:
    rows: int
    """Of each exam, at most."""
    cases: int
    """Of each suite, at most."""
    max_tokens: int
    epochs: float


FULL: Final = Plan(rows=120, cases=60, max_tokens=200, epochs=1)
QUICK: Final = Plan(rows=24, cases=6, max_tokens=48, epochs=0.125)


@dataclass(frozen=True)
class Ours:
    """What we made of the rows."""

    seconds: float
    answers: Mapping[str, Answer]
    line_breaks: Mapping[str, float]
    """Log-probability of each prompt's last token, which lm-eval counts with the reference."""


async def examine_ours(served: Served, rows: Sequence[SuiteRow], *, sampling: Sampling, folder: Path) -> Ours:
    began = time.monotonic()
    answered = await answer_suite(
        served.engine, rows, contestant=Contestant("base", BASE, ""), sampling=sampling, cache=folder,
        on_step=lambda _done, _total: None, in_flight=AT_ONCE,
    )  # fmt: skip
    seconds = time.monotonic() - began
    line_breaks = {}
    for row in rows:
        chat = await served.engine.tokenize(row.messages, answer=row.reference)
        line_breaks[row.row_id] = (await served.engine.token_logprobs(BASE, chat.prompt_ids))[-1]
    return Ours(seconds, {answer.row_id: answer for answer in answered.answers}, line_breaks)


async def race(
    served: Served, rows: Sequence[SuiteRow], *, model: str, sampling: Sampling, folder: Path
) -> tuple[Ours, Mapping[Backend, Examined]]:
    """Ours before and behind the rivals, who do all rows at a stretch."""
    first = await examine_ours(served, rows[::2], sampling=sampling, folder=folder / "ours-1")
    rivals = {
        backend: await asyncio.to_thread(
            examine_by_harness, folder / backend, rows, backend=backend, model=model, url=served.url,
            sampling=sampling, max_length=EngineSettings().max_model_len, at_once=AT_ONCE,
        )
        for backend in RIVALS
    }  # fmt: skip
    second = await examine_ours(served, rows[1::2], sampling=sampling, folder=folder / "ours-2")
    both = Ours(
        first.seconds + second.seconds,
        {**first.answers, **second.answers},
        {**first.line_breaks, **second.line_breaks},
    )
    return both, rivals


def compare(ours: Ours, rivals: Mapping[Backend, Examined], rows: Sequence[SuiteRow]) -> dict[str, float]:
    """Prints each side's speed and how far its scores are from ours; gives the figures."""
    own_rate = len(rows) / ours.seconds
    texts = [ours.answers[row.row_id].text for row in rows]
    references = [row.reference for row in rows]
    own_f1 = np.array([token_f1(text, reference=row.reference) for text, row in zip(texts, rows, strict=True)])
    figures = {"rows": len(rows), "rows_per_s": own_rate, "chrf": chrf(texts, references), "f1": float(own_f1.mean())}
    tokens = np.array([ours.answers[row.row_id].reference_tokens for row in rows])
    own = np.array([ours.answers[row.row_id].logprob_sum + ours.line_breaks[row.row_id] for row in rows])
    print("| exam by | rows/s | ours is faster by | furthest log-likelihood of a row (a token) | perplexity | "
          "token F1 | furthest of a row | same texts | chrF, each by its own code |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    # The line break counts as a token here, as lm-eval sees it.
    own_perplexity = float(np.exp(-own.sum() / (tokens + 1).sum()))
    print(f"| ours | {own_rate:.2f} | | | {own_perplexity:.3f} | {own_f1.mean():.4f} | | | {figures['chrf']:.2f} |")
    for backend, examined in rivals.items():
        key = {"hf": "lm_eval", "local-completions": "lm_eval_server"}[backend]
        found = np.array([examined.logprobs[row.row_id] for row in rows])
        said = [examined.texts[row.row_id].strip() for row in rows]
        f1 = np.array([token_f1(text, reference=row.reference) for text, row in zip(said, rows, strict=True)])
        perplexity = float(np.exp(-found.sum() / (tokens + 1).sum()))
        apart, per_token = np.abs(found - own), np.abs(found - own) / (tokens + 1)
        same = sum(text == other.strip() for text, other in zip(said, texts, strict=True))
        rate = len(rows) / examined.seconds
        print(f"| lm-eval, {backend} | {rate:.2f} | {own_rate / rate:.2f} | {apart.max():.2f} ({per_token.max():.4f}) "
              f"| {perplexity:.3f} | {f1.mean():.4f} | {np.abs(f1 - own_f1).max():.3f} | {same} of {len(rows)} "
              f"| {examined.chrf:.2f} |")  # fmt: skip
        figures |= {
            f"rows_per_s_{key}": rate,
            f"speedup_vs_{key}": own_rate / rate,
            f"start_s_{key}": examined.start_s,
            f"logprob_apart_{key}": float(apart.max()),
            f"logprob_apart_a_token_{key}": float(per_token.max()),
            f"perplexity_ratio_{key}": perplexity / own_perplexity,
            f"f1_apart_{key}": float(abs(f1.mean() - own_f1.mean())),
            f"f1_apart_a_row_{key}": float(np.abs(f1 - own_f1).max()),
            f"chrf_apart_{key}": abs(examined.chrf - figures["chrf"]),
            f"same_texts_{key}": same,
        }
    return figures


def train_adapter(dataset: Path, folder: Path, *, bot: Bot, model: str, epochs: float) -> Path:
    wanted = bot.recipe
    recipe = Recipe(
        base_model=model, dataset=str(dataset), epochs=epochs, learning_rate=wanted.learning_rate, rank=wanted.rank,
        alpha=wanted.alpha, batch_size=wanted.batch_size,
    )  # fmt: skip
    return train(folder / "run", recipe)


def weaken(adapter: Path, folder: Path) -> Path:
    """The same adapter but a tenth weaker, so that it speaks like a neighbour."""
    shutil.copytree(adapter, folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"lora_alpha": 0.9 * config["lora_alpha"]}))
    return folder


async def time_nights(
    served: Served, adapters: Mapping[str, Path], *, dataset: Path, bot: Bot, plan: Plan, search: Search, folder: Path
) -> dict[str, float]:
    """Seconds of two nights' exams, from the loading of the candidate to the verdict, and where the second's go: one
    more exam, of which everything is kept, shows what is left when nobody is asked."""

    async def hold(night: str, candidate: str, *, is_live: bool) -> float:
        """Prints its seconds and gives them; `figures` gets those until the last row."""
        asked: dict[str, Contestant] = {"base": Contestant("base", BASE, "")}
        asked |= {"production": Contestant("production", "production", "production")} if is_live else {}
        asked["candidate"] = Contestant("candidate", candidate, candidate)
        last_row = began = time.monotonic()

        def step(_share: float, _what: str) -> None:
            nonlocal last_row
            last_row = time.monotonic()

        await served.engine.load_adapter(candidate, adapters[candidate])
        verdict = await examine(
            served.engine,
            dataset=dataset,
            contestants=asked,
            sampling=sampling_of(bot, takes_seeds=False),
            gate=replace(rules_of(bot), max_rows=plan.rows),
            folder=folder / night,
            on_step=step,
            production_hash="production" if is_live else "",
            suites=replace(
                suites_of(bot, dataset=dataset, own=folder / "golden.yaml", search=search), max_cases=plan.cases
            ),
            guard=guard_of(bot, search=search),
            cache=folder / "kept",
            in_flight=AT_ONCE,
        )
        seconds, manifest = time.monotonic() - began, read_manifest(folder / night)
        assert manifest is not None  # just written
        rows_s = last_row - began
        print(
            f"{night}: {seconds:.0f} s, rows {rows_s:.0f} s, asked {manifest.about['asked']} times, "
            f"read {manifest.about['read']}, {verdict.outcome}",
            flush=True,
        )
        figures[f"{night}_rows_s"] = rows_s
        return seconds

    figures: dict[str, float] = {}
    figures["first_night_s"] = await hold("first_night", "production", is_live=False)
    figures["second_night_s"] = await hold("second_night", "candidate", is_live=True)
    figures["all_kept_s"] = await hold("all_kept", "candidate", is_live=True)
    left = figures["second_night_s"] - figures["second_night_rows_s"] - figures["all_kept_s"]
    print(f"second night: rows and suites beside them {figures['second_night_rows_s']:.0f} s, the rest of the suites, "
          f"second tries and base's word about {left:.0f} s, "
          f"reading, verdict and report {figures['all_kept_s']:.0f} s")  # fmt: skip
    return figures


async def measure(folder: Path, *, model: str, adapter: Path | None, plan: Plan) -> dict[str, float]:
    bot = load_bot(BOTS / "support.toml")
    async with open_shipped(folder, bot) as shipped:
        dataset = await write_dataset(shipped, folder, bot)
        return await _measure(
            folder, bot, dataset, search=shipped.knowledge.search, model=model, adapter=adapter, plan=plan
        )


async def _measure(
    folder: Path, bot: Bot, dataset: Path, *, search: Search, model: str, adapter: Path | None, plan: Plan
) -> dict[str, float]:
    rows = read_suite(dataset, max_rows=plan.rows)
    if adapter is None:
        adapter = await asyncio.to_thread(train_adapter, dataset, folder, bot=bot, model=model, epochs=plan.epochs)
    adapters = {"production": adapter.absolute(), "candidate": weaken(adapter, folder / "weaker")}
    await asyncio.to_thread(make_environment)
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=plan.max_tokens)
    async with serve(model, folder) as served:
        # A fresh engine is slow at first. Other prompts, since nothing is to be read from its cache.
        others = [replace(row, messages=row.messages[1:]) for row in rows[:2]]
        await examine_ours(served, others, sampling=sampling, folder=folder / "warm")
        ours, rivals = await race(served, rows, model=model, sampling=sampling, folder=folder)
        figures = compare(ours, rivals, rows)
        nights = await time_nights(
            served, adapters, dataset=dataset, bot=bot, plan=plan, search=search, folder=folder / "nights"
        )
        return {**figures, "start_s": served.start_s, **nights, "rows_a_night": len(rows), "cases": plan.cases}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--adapter", type=Path, help="folder of a trained adapter; none trains one")
    parser.add_argument("--quick", action="store_true", help="a fifth of the rows, short answers, 3 steps of training")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    with open_workshop(model=given.model) as (folder, model):
        figures = asyncio.run(measure(folder, model=model, adapter=given.adapter, plan=plan))
    starts = {"ours": "start_s", "lm-eval's hf": "start_s_lm_eval", "its client": "start_s_lm_eval_server"}
    print("starts, not counted:", ", ".join(f"{name} {figures[key]:.0f} s" for name, key in starts.items()))
    print(f"target: {TARGET:g} times lm-eval's hf; {TARGET_NIGHT_S:.0f} s for a second night of the full size")
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
