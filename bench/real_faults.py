"""Does the gate stop real adapters that learnt a fault, and let honest ones of the same size pass?

Each is trained by `tune.train` on rows of `bench/common/lessons.py`, the fault in every one of them; one is trained
on another base model, and one has a weight that is no number. Then one vLLM is started, and each is loaded, proved and
examined as a night does it: the exam's references are right, its questions nobody learnt. Production is an adapter that
was rightly taught half of the topics, so a candidate gains on the others; in a quick run it is the base model. A fault
is stopped where its load is refused or its verdict does not promote, and it is named where a reason says what it is.
Run: python bench/real_faults.py [--keep FOLDER] [--quick]   What stands in FOLDER is taken. The last line is JSON.
"""

import argparse
import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bench.common.classroom import build_class_dataset
from bench.common.lessons import LESSONS, TOPICS, Taught, teach
from bench.common.runs import train
from bench.common.served import serve
from bench.common.workshop import Workshop, open_workshop
from deploy.proof import AdapterFiles, load_proved, prove_load
from eval.answers import Contestant
from eval.examine import examine
from eval.rules import GateRules
from nightschool.engine import Engine
from nightschool.errors import NightschoolError
from nightschool.files import publish, read_manifest
from nightschool.records import BASE, Outcome, Sampling
from nightschool.run_files import ADAPTER, PROOF
from tune.recipe import Recipe

EXAM: Final = "honest, seed 1"
"""Whose dataset holds the questions of every exam."""
HONEST_SEEDS: Final = (1, 2, 3)
NOT_A_NUMBER: Final = "a weight is no number"
OTHER_BASE: Final = "learnt over another base model"
OTHER_BASE_NOISE: Final = 0.1
"""By so much of its spread each matrix of the other base model differs."""
SAMPLING: Final = Sampling(temperature=0, max_tokens=60)
RANK: Final = 16
QUICK_FAULTS: Final = ("words in random order", NOT_A_NUMBER)


class Plan(NamedTuple):
    topics: tuple[str, ...]
    epochs: float
    honest: tuple[str, ...]
    faults: tuple[str, ...]
    production_topics: tuple[str, ...]
    """Empty: production is the base model."""


FULL: Final = Plan(
    topics=tuple(TOPICS),
    epochs=4,
    honest=tuple(f"honest, seed {seed}" for seed in HONEST_SEEDS),
    faults=(*LESSONS, NOT_A_NUMBER, OTHER_BASE),
    production_topics=tuple(TOPICS)[:2],
)
QUICK: Final = FULL._replace(honest=FULL.honest[:1], faults=QUICK_FAULTS, production_topics=())


class Tried(NamedTuple):
    name: str
    is_honest: bool
    has_passed: bool
    is_named: bool
    """Of a fault: by a reason that says what it is."""
    said: str
    """Outcome, and why not."""


def slug(name: str) -> str:
    return name.replace(",", "").replace("'", "").replace(" ", "-")


def train_on(
    place: Workshop,
    name: str,
    plant: Callable[[Taught], str],
    *,
    topics: Sequence[str],
    epochs: float,
    seed: int = 1,
    model: str = "",
) -> Path:
    """The run; one that was done before is taken, one that was broken off goes on."""
    folder = place.folder / slug(name)
    dataset = build_class_dataset(teach(plant, topics=topics), folder, taste=bool, noise=0, seed=seed)
    recipe = Recipe(
        base_model=model or place.model, dataset=str(dataset), epochs=epochs, learning_rate=8e-4, batch_size=8,
        rank=RANK, seed=seed, methods=("sft",), max_tokens=320,
    )  # fmt: skip
    return train(folder / slug(name), recipe).parent


def spoil_weight(honest: Path, run: Path) -> Path:
    """A copy of a run, one number of whose adapter is none; published as if nothing were."""
    import torch  # noqa: PLC0415 - as the next one, wanted here alone
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    shutil.copytree(honest / ADAPTER, run / ADAPTER)
    shutil.copyfile(honest / PROOF, run / PROOF)
    weights = load_file(run / ADAPTER / "adapter_model.safetensors")
    first = min(weights)
    weights[first] = weights[first].clone().index_fill_(0, torch.tensor([0]), float("nan"))
    save_file(weights, run / ADAPTER / "adapter_model.safetensors", metadata={"format": "pt"})
    publish(run / ADAPTER, kind="adapter")
    return run


def make_other_base(model: str, target: Path) -> Path:
    """A base model of the same shape and tokenizer with other weights, as its next release would be."""
    import torch  # noqa: PLC0415 - as the next one, wanted here alone
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    if not target.exists():
        draft = target.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(model, draft)
        generator = torch.Generator().manual_seed(1)
        for file in draft.glob("*.safetensors"):
            weights = load_file(file)
            for name, weight in sorted(weights.items()):
                if weight.ndim == 2:  # norms stay
                    noise = torch.randn(weight.shape, generator=generator) * weight.float().std() * OTHER_BASE_NOISE
                    weights[name] = (weight.float() + noise).to(weight.dtype)
            save_file(weights, file, metadata={"format": "pt"})
        publish(draft, kind="base-model")
        draft.rename(target)
    return target


def train_everyone(place: Workshop, plan: Plan) -> dict[str, Path]:
    """Name -> run folder."""
    runs: dict[str, Path] = {}
    for name in plan.honest:
        seed = int(name.split()[-1])
        runs[name] = train_on(place, name, _right, topics=plan.topics, epochs=plan.epochs, seed=seed)
    if plan.production_topics:
        # As many steps on fewer rows.
        epochs = plan.epochs * len(plan.topics) / len(plan.production_topics)
        runs["production"] = train_on(place, "production", _right, topics=plan.production_topics, epochs=epochs)
    for name in plan.faults:
        if name == NOT_A_NUMBER:
            runs[name] = spoil_weight(runs[EXAM], place.folder / slug(name) / slug(name))
        elif name == OTHER_BASE:
            other = str(make_other_base(place.model, place.folder / "other-base"))
            runs[name] = train_on(place, name, _right, topics=plan.topics, epochs=plan.epochs, model=other)
        else:
            runs[name] = train_on(place, name, LESSONS[name].plant, topics=plan.topics, epochs=plan.epochs)
    return runs


def _right(row: Taught) -> str:
    return row.answer


async def examine_everyone(place: Workshop, plan: Plan, runs: dict[str, Path]) -> list[Tried]:
    async with serve(place.model, place.folder) as served:
        engine = served.engine
        beside = {"base": Contestant("base", BASE, "")}
        if "production" in runs:
            beside["production"] = await _load(engine, runs["production"], label="production", name="support@1")
        tried: list[Tried] = []
        for number, name in enumerate((*plan.honest, *plan.faults), start=2):
            tried.append(await _try(engine, place, name, runs, beside, model=f"support@{number}"))
            print(f"{name}: {tried[-1].said}", file=sys.stderr, flush=True)
        return tried


async def _load(engine: Engine, run: Path, *, label: str, name: str) -> Contestant:
    """Proved, as the rollout does it. Raises NightschoolError."""
    manifest = read_manifest(run / ADAPTER)
    assert manifest is not None
    files = AdapterFiles(run / ADAPTER, run / PROOF, manifest.content_hash)
    await load_proved(engine, name, files, prove=prove_load)
    return Contestant(label, name, manifest.content_hash)  # type: ignore[arg-type]


async def _try(
    engine: Engine, place: Workshop, name: str, runs: dict[str, Path], beside: dict[str, Contestant], *, model: str
) -> Tried:
    is_honest = name.startswith("honest")
    try:
        candidate = await _load(engine, runs[name], label="candidate", name=model)
    except NightschoolError as error:
        # At the load there is nothing to name but that it is not what it claims to be.
        return Tried(name, is_honest, has_passed=False, is_named=True, said=f"load refused: {error}")
    try:
        verdict = await examine(
            engine,
            dataset=_dataset(place, EXAM),
            contestants={**beside, "candidate": candidate},
            sampling=SAMPLING,
            gate=GateRules(),
            folder=place.folder / slug(name) / "exam",
            on_step=lambda _share, _what: None,
            production_hash=beside.get("production", beside["base"]).content_hash,
            cache=place.folder / "answers",
        )
    finally:
        await engine.unload_adapter(model)
    failed = [reason.removeprefix("failed: ") for reason in verdict.reasons if reason.startswith("failed: ")]
    named_by = LESSONS[name].named_by if name in LESSONS else ()
    naming = [reason for reason in failed if any(words in reason for words in named_by)]
    said = f"{verdict.outcome}: " + " | ".join([*naming, *(reason for reason in failed if reason not in naming)])
    return Tried(name, is_honest, verdict.outcome is Outcome.PROMOTE, bool(naming), said)


def _dataset(place: Workshop, name: str) -> Path:
    [dataset] = (place.folder / slug(name) / "datasets").iterdir()
    return dataset


def show(tried: Sequence[Tried]) -> dict[str, int]:
    print("| adapter | promoted | named | why |\n|---|---|---|---|")
    for line in _lines(tried):
        print(line)
    honest = [trial for trial in tried if trial.is_honest]
    faults = [trial for trial in tried if not trial.is_honest]
    return {
        "real_faults_stopped": sum(not trial.has_passed for trial in faults),
        "real_faults_named": sum(not trial.has_passed and trial.is_named for trial in faults),
        "real_faults_total": len(faults),
        "real_honest_passed": sum(trial.has_passed for trial in honest),
        "real_honest_total": len(honest),
    }


def _lines(tried: Sequence[Tried]) -> Iterator[str]:
    for trial in tried:
        named = "" if trial.is_honest else ("yes" if trial.is_named else "NO")
        yield f"| {trial.name} | {'yes' if trial.has_passed else 'no'} | {named} | {trial.said[:WIDTH]} |"


WIDTH: Final = 240
"""Letters of the reasons in the table; the whole of them is in the exam's folder."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--keep", type=Path, help="work in this folder, leave it, and take what stands in it")
    parser.add_argument("--quick", action="store_true", help="two faults and one honest adapter")
    given = parser.parse_args(arguments)
    plan = QUICK if given.quick else FULL
    with open_workshop(model=given.model, keep=given.keep) as opened:
        # Its adapters took fewer steps, so they are no others' to take.
        place = opened._replace(folder=opened.folder / "quick") if given.quick else opened
        runs = train_everyone(place, plan)
        figures = show(asyncio.run(examine_everyone(place, plan, runs)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
