"""What do LoRA, QLoRA and a full training cost, and what do they bring? The same rows and steps, ours all five.

`tune.train` learns short questions and answers as an adapter of rank 4, 16 and 64, as one over the base in 4 bits
(qlora, rank 16), and as a whole model (full). Each training is a process of its own, with loading and proof: peak
memory and time are the process's, time in seconds of processor, so that what else a machine does lengthens it less.
Every adapter learns at one rate with alpha 32, the whole model at a tenth of it, as a night's recipe does; no rate was
searched for. Size is that of the learnt weights as files; load time is the median of three: an adapter put on a base
that stands, or a whole model read. Told are perplexity of held-out answers, ROUGE-L and token F1 of greedy ones,
perplexity of general text (`eval/suite/general.yaml`) and the share of retention cases of kind `instruction` that pass.
`retention_*` is the perplexity of general text after training over the base's: 1 forgot nothing. An adapter of qlora is
asked over the base that is not in 4 bits, as it is served. One seed: no intervals.
Run: python bench/methods.py [--quick] [--state FOLDER] [--page FILE]   The last line is one JSON object.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

import torch
from peft import PeftModel
from safetensors import safe_open

from bench.common.classroom import Class, Example, Sizes, build_class_dataset, read_class
from bench.common.contestants import Contestants, perplexity
from bench.common.methods_page import BASE, Measured, State, table, write_page
from bench.common.runs import Spent, spend
from bench.common.workshop import open_workshop
from bench.learn import PUBLIC, SEED, likes_prose
from eval.metrics.text import rouge_l, token_f1
from eval.suite.case import Reply
from eval.suite.golden import read_golden
from nightschool.child import CALM_THREADS
from nightschool.files import write_atomic
from nightschool.learners import Learner
from nightschool.records import ChatMessage, Finish
from tune.model import load_base
from tune.recipe import Recipe, write_recipe
from tune.stages import read_stages
from tune.whole import MODEL

ROOT: Final = Path(__file__).parents[1]
SPENT: Final = "spent.json"
SUITES: Final = ROOT / "eval" / "suite"
LUMAFERN: Final = ROOT / "bots" / "lumafern"
PAGE: Final = ROOT / "docs" / "lora-vs-full.md"
TUTOR: Final = ROOT / "bots" / "tutor" / "knowledge" / PAGE.name
"""A copy of the page, by which the bot `tutor` answers."""
LEARNING_RATE: Final = 4e-4
"""Of an adapter; a whole model's is a tenth."""
ALPHA: Final = 32
BATCH: Final = 4
MAX_TOKENS: Final = 192
LONGEST_CHARS: Final = 640
"""Of question and answer together, so that hardly a row is cut."""
LOADS: Final = 3
UNSAID: Final = ChatMessage(role="assistant", content="")
"""Where a chat has an answer that nobody asks for."""


@dataclass(frozen=True)
class Arm:
    learner: Learner
    rank: int


ARMS: Final[Mapping[str, Arm]] = {
    "lora-4": Arm("lora", 4),
    "lora-16": Arm("lora", 16),
    "lora-64": Arm("lora", 64),
    "qlora": Arm("qlora", 16),
    "full": Arm("full", 16),
}


@dataclass(frozen=True)
class Plan:
    arms: tuple[str, ...]
    taught: int
    examined: int
    answered: int
    """Of the examined; and of the instructions."""
    answer_tokens: int
    general: int


FULL: Final = Plan(tuple(ARMS), taught=128, examined=48, answered=16, answer_tokens=48, general=24)
QUICK: Final = Plan(("lora-16", "qlora", "full"), taught=8, examined=6, answered=2, answer_tokens=8, general=4)


def sized(plan: Plan, *, rows: int) -> Plan:
    """Of so many rows to learn, and three to eight of them held out."""
    examined = max(1, rows * 3 // 8)
    return replace(plan, taught=rows, examined=examined, answered=min(plan.answered, examined))


def read_pupils(data: Path, plan: Plan) -> Class:
    """Of the public data, else of the shipped conversations, which then are the first question and answer of each."""
    if data.exists():
        sizes = Sizes(plan.taught, plan.examined, 0)
        return read_class(data, sizes, seed=SEED, longest_chars=LONGEST_CHARS)
    taught, examined = (_read_shipped(LUMAFERN / f"{name}.jsonl") for name in ("train", "heldout"))
    return Class(taught[: plan.taught], examined[: plan.examined], [], others={"voted": []})


def _read_shipped(file: Path) -> list[Example]:
    found = []
    for row in map(json.loads, file.read_text().splitlines()):
        said = [m for m in row["messages"] if m["role"] != "system"][:2]
        question, answer = (m["content"] for m in said)
        if len(question) + len(answer) <= LONGEST_CHARS:
            found.append(Example(question, answer, row["topic"], row["id"]))
    return found


def train_arm(arm: Arm, run: Path, *, dataset: Path, model: str) -> Spent:
    """A finished training is taken; what a broken-off one left is thrown away, since its time is lost."""
    kept = run / SPENT
    if kept.exists():
        return Spent(*json.loads(kept.read_text()))
    shutil.rmtree(run, ignore_errors=True)
    rate = LEARNING_RATE / 10 if arm.learner == "full" else LEARNING_RATE
    write_recipe(
        run,
        Recipe(
            base_model=model, dataset=str(dataset), adapter=arm.learner, rank=arm.rank, alpha=ALPHA, epochs=1,
            learning_rate=rate, batch_size=BATCH, micro_batch_size=BATCH, max_tokens=MAX_TOKENS, seed=SEED,
        ),
    )  # fmt: skip
    spent = spend("-m", "tune.train", str(run), log=run.with_suffix(".log"), environment=CALM_THREADS)
    write_atomic(kept, json.dumps(spent))
    return spent


def learnt_weights(folder: Path) -> tuple[int, float]:
    """Numbers and megabytes (of a million bytes) in a folder's weights."""
    files = list(folder.glob("*.safetensors"))
    count = 0
    for file in files:
        with safe_open(file, framework="pt") as weights:
            count += sum(weights.get_tensor(name).numel() for name in weights.keys())  # noqa: SIM118
    return count, sum(file.stat().st_size for file in files) / 1e6


def load_seconds(run: Path, arm: Arm, *, model: str) -> float:
    if arm.learner == "full":
        return _median_s(lambda: load_base(str(run / MODEL), device="cpu", dtype=torch.bfloat16))
    base: Any = load_base(model, device="cpu", dtype=torch.bfloat16)
    return _median_s(lambda: PeftModel.from_pretrained(base, run / "adapter").unload())


def _median_s(load: Callable[[], object]) -> float:
    taken = []
    for _ in range(LOADS):
        began = time.monotonic()
        load()
        taken.append(time.monotonic() - began)
    return median(taken)


def judge(name: str, contestants: Contestants, examined: Sequence[Example], *, plan: Plan) -> Measured:
    """The quality of whom `contestants` has in memory; not what it cost."""
    asked = examined[: plan.answered]
    answers = contestants.answer([example.chat for example in asked], max_tokens=plan.answer_tokens)
    general = read_golden(SUITES / "general.yaml", system_prompt="")[: plan.general]
    told = [(*case.messages, ChatMessage(role="assistant", content=case.reference or "")) for case in general]
    cases = [case for case in read_golden(SUITES / "retention.yaml", system_prompt="") if case.kind == "instruction"]
    cases = cases[: plan.answered]
    replies = contestants.answer([(*case.messages, UNSAID) for case in cases], max_tokens=plan.answer_tokens)
    passed = [
        all(check.holds(Reply(text, Finish.STOP, 0, None)) for check in case.checks)
        for case, text in zip(cases, replies, strict=True)
    ]
    return Measured(
        name,
        perplexity=perplexity(contestants.score([example.chat for example in examined])),
        rouge_l=fmean(rouge_l(a, reference=e.answer) for a, e in zip(answers, asked, strict=True)),
        token_f1=fmean(token_f1(a, reference=e.answer) for a, e in zip(answers, asked, strict=True)),
        perplexity_general=perplexity(contestants.score(told)),
        instructions=fmean(passed),
    )


def measure_arm(name: str, folder: Path, pupils: Class, *, dataset: Path, model: str, plan: Plan) -> Measured:
    arm, run = ARMS[name], folder / name
    spent = train_arm(arm, run, dataset=dataset, model=model)
    is_full = arm.learner == "full"
    learnt = run / (MODEL if is_full else "adapter")
    count, size_mb = learnt_weights(learnt)
    contestants = Contestants(str(learnt) if is_full else model)
    with contestants.wearing(None if is_full else learnt):
        measured = judge(name, contestants, pupils.examined, plan=plan)
    load_s = load_seconds(run, arm, model=model)
    [learnt_rows] = [stage.rows for stage in read_stages(run) if stage.ran]
    return replace(
        measured, rows=learnt_rows, trained=count, cpu_s=spent.cpu_s, peak_mib=spent.peak_mib, size_mb=size_mb,
        load_s=load_s,
    )  # fmt: skip


def measure(folder: Path, pupils: Class, *, model: str, plan: Plan, only: str | None) -> State:
    """Each method once: what `folder` holds already is taken. With `only`, one method and nothing else."""
    dataset = build_class_dataset(pupils, folder, taste=likes_prose, noise=0, seed=SEED)
    found = []
    for name in (BASE, *plan.arms) if only is None else (only,):
        kept = folder / f"{name}.json"
        if not kept.exists():
            print(f"{name}: begins", file=sys.stderr, flush=True)
            if name == BASE:
                measured = judge(BASE, Contestants(model), pupils.examined, plan=plan)
            else:
                measured = measure_arm(name, folder, pupils, dataset=dataset, model=model, plan=plan)
            write_atomic(kept, json.dumps(asdict(measured)))
        found.append(Measured(**json.loads(kept.read_text())))
        print(f"{name}: perplexity {found[-1].perplexity:.2f}", file=sys.stderr, flush=True)
    return State(
        rows=max(measured.rows for measured in found),
        held_out=len(pupils.examined),
        answered=plan.answered,
        methods=tuple(found),
    )


def summary(state: State) -> dict[str, float]:
    base, lora, full, qlora = (state.by_name(name) for name in (BASE, "lora-16", "full", "qlora"))
    return {
        "time_ratio_full_vs_lora": full.cpu_s / lora.cpu_s,
        "memory_ratio_full_vs_lora": full.peak_mib / lora.peak_mib,
        "perplexity_lora": lora.perplexity,
        "perplexity_full": full.perplexity,
        "perplexity_qlora": qlora.perplexity,
        "retention_lora": lora.perplexity_general / base.perplexity_general,
        "retention_full": full.perplexity_general / base.perplexity_general,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=PUBLIC, help="gzipped JSONL; where missing, the shipped chats")
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--state", type=Path, help="keep finished methods in this folder, and take those it holds")
    parser.add_argument("--only", choices=(BASE, *ARMS), help="measure this one, for --state, and print no table")
    parser.add_argument("--rows", type=int, help=f"to learn, instead of {FULL.taught}; 3/8 as many are held out")
    parser.add_argument("--page", type=Path, help="write table, JSON and plots into and beside this page")
    parser.add_argument("--quick", action="store_true", help="three methods, few rows, short answers")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    plan = sized(plan, rows=given.rows) if given.rows else plan
    # A folder for each size: what was measured at one is not taken for another.
    keep = given.state and given.state / f"{plan.taught}-rows{'-quick' * given.quick}"
    with open_workshop(model=given.model, keep=keep) as (folder, model):
        state = measure(folder, read_pupils(given.data, plan), model=model, plan=plan, only=given.only)
    if given.only:
        return
    if given.page:
        write_page(given.page, state)
        if given.page.samefile(PAGE):
            shutil.copyfile(PAGE, TUTOR)
    print(table(state))
    print(json.dumps({name: round(figure, 4) for name, figure in summary(state).items()}))


if __name__ == "__main__":
    main()
