"""Do answers stand on the company's documents? Base and a night's adapter, without and with passages, and as served.

The last answers of Lumafern's held-out conversations, greedily, through a real vLLM: how many of the reference's facts
an answer states (recall), how many of its own facts stand in its passages, the question or the system prompt (support),
perplexity of the reference, ROUGE-L, token F1, tokens of the prompt, and the time to the first token. The adapter is
one SFT training of `tune.train` on rows that carry their passages; what a passage is, documents or what the team
answered to like questions in the training set, the bot's file says. As served: with the guard (`eval.guard`), which
holds back what stands nowhere; its delay is what it adds before the first visible words. Verified answers are measured
on public questions (`bench/verified.py`), the search on Lumafern's labelled questions, on a public handbook and on
10,000 passages.
Run: python bench/knowledge.py [--model FOLDER] [--keep FOLDER] [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import fmean, median
from typing import Final, NamedTuple

import numpy as np

from bench.common.runs import train
from bench.common.search_quality import judge, read_handbook, read_labelled
from bench.common.search_speed import measure_speed
from bench.common.served import Served, serve
from bench.common.shipped import BOTS, TAUGHT, open_shipped, read_index_of, write_dataset
from bench.common.workshop import open_workshop
from bench.verified import measure_verified, read_public
from collect.knowledge.index import Embed, Index
from collect.knowledge.shelf import KnowledgeShelf
from deploy.orders import recipe_of
from eval.answers import Contestant, answer_suite
from eval.facts import fact_recall, fact_support
from eval.guard import Held
from eval.metrics.perplexity import corpus_perplexity
from eval.metrics.text import rouge_l, token_f1
from eval.suites import SuiteRow, hash_row
from nightschool.bots import Bot, load_bot
from nightschool.embedding import load_embedder
from nightschool.engine import ChatRequest, Delta, Engine
from nightschool.files import hash_file
from nightschool.knowledge import Search
from nightschool.records import BASE, AdapterName, BotName, ChatMessage, Sampling, new_id
from serve.guarding import guard_of
from serve.prompting import Prompt, compose

LUMAFERN: Final = BOTS / "lumafern"
PAGES: Final = (0, 1, 3, 5)
ANSWERS: Final = (0, 1, 2, 3)
"""So many of each."""
AT_ONCE: Final = 8
MANY: Final = 10_000
GREEDY: Final = Sampling(temperature=0, top_p=1, max_tokens=120, repetition_penalty=1.05)


@dataclass(frozen=True)
class Plan:
    rows: int
    epochs: float
    timed: int
    """Questions by which the first token is timed."""


FULL: Final = Plan(rows=80, epochs=2, timed=20)
QUICK: Final = Plan(rows=10, epochs=0.25, timed=4)


@dataclass(frozen=True)
class Asked:
    """One held-out conversation: its last question with what was found, and what a person answered."""

    name: str
    prompt: Prompt
    reference: str

    def row(self, *, with_passages: bool) -> SuiteRow:
        passages = self.prompt.found.passages if with_passages else ()
        messages = self.prompt.standing_on(passages)
        return SuiteRow(hash_row(self.name, messages, reference=self.reference), self.name, messages, self.reference)


class Cell(NamedTuple):
    """One contestant, without or with passages."""

    fact_recall: float
    fact_support: float
    perplexity: float
    rouge_l: float
    token_f1: float
    prompt_tokens: float
    ttft_ms: float


class AsServed(NamedTuple):
    fact_recall: float
    fact_support: float
    handover_share: float
    held_share: float
    delay_ms: float
    """Mean over answers: first visible words behind the engine's first ones."""


def read_asked(bot: Bot, *, search: Search, rows: int) -> list[Asked]:
    asked = []
    for line in (LUMAFERN / "heldout.jsonl").read_text().splitlines()[:rows]:
        chat = json.loads(line)
        *said, answer = [m for m in chat["messages"] if m["role"] != "system"]
        turns = [ChatMessage(role=m["role"], content=m["content"]) for m in said]
        asked.append(Asked(str(chat["id"]), compose(bot, turns, search=search), str(answer["content"])))
    return asked


def count_facts(asked: Sequence[Asked], knowledge: KnowledgeShelf, bot: Bot) -> dict[str, float]:
    """Share of the references' facts among the nearest passages and answers, which no model was asked for; as a table
    too."""
    shares: dict[tuple[int, int], list[float]] = {}
    for one in asked:
        said = [turn["content"] for turn in one.prompt.said if turn["role"] == "user"]
        found = knowledge.nearest(bot.bot_name, said, passages=max(PAGES)).passages
        pages = [passage.text for passage in found if not passage.conversation_id]
        answers = [passage.text for passage in found if passage.conversation_id]
        for most in product(PAGES, ANSWERS):
            texts = "\n".join([*pages[: most[0]], *answers[: most[1]]])
            share = fact_recall(texts, reference=one.reference, glossary=bot.knowledge.glossary)
            if share is not None:
                shares.setdefault(most, []).append(share)
    means = {most: fmean(some) for most, some in shares.items()}
    print(f"| passages | {' | '.join(f'{answers} answers' for answers in ANSWERS)} |")
    print("|---" * (1 + len(ANSWERS)) + "|")
    for pages_ in PAGES:
        print(f"| {pages_} | {' | '.join(f'{means[pages_, answers]:.3f}' for answers in ANSWERS)} |", flush=True)
    return {f"facts_in_{most[0]}_and_{most[1]}": mean for most, mean in means.items()}


async def fill_cell(
    served: Served, asked: Sequence[Asked], contestant: Contestant, *, with_passages: bool, plan: Plan, folder: Path
) -> Cell:
    rows = [one.row(with_passages=with_passages) for one in asked]
    # Before they are answered: later the engine has what they begin with in its cache.
    firsts: list[float] = []
    tokens: list[int] = []
    for row in rows[: plan.timed]:
        began = time.perf_counter()
        request = ChatRequest(row.messages, contestant.model, replace(GREEDY, max_tokens=1), new_id())
        async with aclosing(served.engine.stream(request)) as deltas:
            async for delta in deltas:
                if delta.text and len(firsts) == len(tokens):
                    firsts.append(1000 * (time.perf_counter() - began))
                if delta.finish:
                    tokens.append(delta.prompt_tokens)
        firsts = firsts[: len(tokens)]
    given = await answer_suite(
        served.engine, rows, contestant=contestant, sampling=GREEDY, cache=folder, in_flight=AT_ONCE,
        on_step=lambda _done, _total: None,
    )  # fmt: skip
    texts = [answer.text for answer in given.answers]
    recall, support = _facts(asked, texts)
    references = [row.reference for row in rows]
    return Cell(
        recall,
        support,
        corpus_perplexity(
            np.array([answer.logprob_sum for answer in given.answers]),
            np.array([answer.reference_tokens for answer in given.answers]),
        ),
        fmean(rouge_l(text, reference=one) for text, one in zip(texts, references, strict=True)),
        fmean(token_f1(text, reference=one) for text, one in zip(texts, references, strict=True)),
        fmean(tokens),
        median(firsts),
    )


async def serve_all(served: Served, asked: Sequence[Asked], model: str) -> AsServed:
    """As people are answered: with passages, behind the guard."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(of: Asked) -> tuple[str, list[Held], float]:
        async with slots:
            return await _serve(served.engine, of.prompt, model)

    told = await asyncio.gather(*map(one, asked))
    recall, support = _facts(asked, [text for text, _, _ in told])
    held = [one.then for _, some, _ in told for one in some]
    return AsServed(
        recall,
        support,
        fmean(one.prompt.rules.hand_over in text for one, (text, _, _) in zip(asked, told, strict=True)),
        len(held) / len(asked),
        fmean(delay for _, _, delay in told),
    )


async def _serve(engine: Engine, prompt: Prompt, model: str) -> tuple[str, list[Held], float]:
    request = ChatRequest(prompt.messages, model, GREEDY, new_id())
    guard = guard_of(prompt, request, engine)
    assert guard is not None, "the bot has documents and a guard"
    seen: list[float] = []

    async def watched() -> AsyncGenerator[Delta, None]:
        async with aclosing(engine.stream(request)) as deltas:
            async for delta in deltas:
                if delta.text and not seen:
                    seen.append(time.perf_counter())
                yield delta

    text, shown = "", 0.0
    async for delta in guard.watch(watched()):
        if delta.text and not shown:
            shown = time.perf_counter()
        text += delta.text
    return text, guard.held, 1000 * (shown - seen[0]) if seen and shown else 0.0


def _facts(asked: Sequence[Asked], texts: Sequence[str]) -> tuple[float, float]:
    """Means over the answers that have any: of what the reference states, and of what the answer does."""
    recalls, supports = [], []
    for one, text in zip(asked, texts, strict=True):
        glossary = one.prompt.rules.glossary
        recalls.append(fact_recall(text, reference=one.reference, glossary=glossary))
        supports.append(fact_support(text, grounds=one.prompt.grounds, glossary=glossary))
    kept = ([share for share in shares if share is not None] for shares in (recalls, supports))
    recall, support = (fmean(shares) if shares else 1.0 for shares in kept)
    return recall, support


def time_search(folder: Path, *, embed: Embed) -> dict[str, float]:
    found = measure_speed(folder / "many", passages=MANY, embed=embed)
    return {"search_ms_10k": found.search_ms, "index_s_10k": found.index_s, "index_mb_10k": found.size_mb}


def judge_search(folder: Path, index: Index, *, embed: Embed) -> dict[str, float]:
    figures = judge(index, read_labelled(), embed=embed)
    handbook = read_handbook(folder / "handbook", embed=embed)
    return figures if handbook is None else figures | judge(*handbook, embed=embed, prefix="handbook_")


def judge_verified(*, embed: Embed) -> dict[str, float]:
    public = read_public()
    if not public:
        return {}
    rows = public["support_qa"]
    measured = measure_verified(rows, embed=embed, rng=np.random.default_rng(17))
    return {"verified_coverage": measured.coverage, "verified_precision": measured.precision}


async def measure(folder: Path, *, model: str, plan: Plan) -> dict[str, float]:
    bot = load_bot(BOTS / "support.toml")
    embed = load_embedder().embed
    index = read_index_of(BOTS / bot.knowledge.folder, folder / "index", embed=embed)
    figures = judge_search(folder, index, embed=embed) | time_search(folder, embed=embed) | judge_verified(embed=embed)
    # The exam's conversations stay out of the record.
    async with open_shipped(folder, bot, files=(TAUGHT,)) as shipped:
        asked = read_asked(bot, search=shipped.knowledge.search, rows=plan.rows)
        figures |= count_facts(asked, shipped.knowledge, bot)
        dataset = await write_dataset(shipped, folder, bot, held_out_share=0.02, seed=bot.recipe.split_seed)
    recipe = recipe_of(bot, base_model=model, dataset=dataset).model_copy(
        update={"epochs": plan.epochs, "methods": ("sft",)}
    )
    adapter = await asyncio.to_thread(train, folder / "run", recipe)
    tuned = AdapterName(BotName("support"), 1)
    async with serve(model, folder) as served:
        await served.engine.load_adapter(str(tuned), adapter)
        print("| | recall of facts | support | perplexity | ROUGE-L | token F1 | prompt tokens | TTFT ms |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        cells: dict[str, Cell] = {}
        for name, contestant in _contestants(tuned, adapter).items():
            for suffix in ("", "_rag"):
                cell = await fill_cell(
                    served, asked, contestant, with_passages=bool(suffix), plan=plan, folder=folder / "kept"
                )
                cells[name + suffix] = cell
                told = " | ".join(f"{figure:.3f}" for figure in cell[:5])
                print(
                    f"| {name}{', passages' if suffix else ''} | {told} | {cell.prompt_tokens:.0f} | "
                    f"{cell.ttft_ms:.0f} |",
                    flush=True,
                )
        for name, model_name in (("base", BASE), ("tuned", str(tuned))):
            shown = await serve_all(served, asked, model_name)
            print(f"| {name}, as served | {shown.fact_recall:.3f} | {shown.fact_support:.3f} | | | | | |", flush=True)
            end = "" if name == "tuned" else "_base"
            figures |= {
                f"fact_recall_served{end}": shown.fact_recall, f"fact_support_served{end}": shown.fact_support,
                f"handover_share{end}": shown.handover_share, f"held_share{end}": shown.held_share,
                f"guard_delay_ms{end}": shown.delay_ms,
            }  # fmt: skip
    for name, cell in cells.items():
        figures |= {f"fact_recall_{name}": cell.fact_recall, f"fact_support_{name}": cell.fact_support}
        figures[f"perplexity_{name}"] = cell.perplexity
    figures["ttft_ratio"] = cells["tuned_rag"].ttft_ms / cells["tuned"].ttft_ms
    return figures


def _contestants(tuned: AdapterName, adapter: Path) -> dict[str, Contestant]:
    weights = hash_file(adapter / "adapter_model.safetensors")
    return {"base": Contestant("base", BASE, ""), "tuned": Contestant("candidate", str(tuned), weights)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder, leave it, and take what stands in it")
    parser.add_argument("--quick", action="store_true", help="few rows, a short training")
    given = parser.parse_args()
    with open_workshop(model=given.model, keep=given.keep) as (folder, model):
        figures = asyncio.run(measure(folder, model=model, plan=QUICK if given.quick else FULL))
    print(json.dumps({name: round(figure, 4) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
