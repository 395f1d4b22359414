"""What a run leaves for those who come after: `run.json`, by which it can be done again, and the adapter's own card.

Times, versions and the machine stand in `run.json` alone. The card is part of the adapter, whose bytes are its name:
the same weights from the same dataset give the same card. Neither holds a path or what anybody wrote. Imports no torch.
"""

import hashlib
import json
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic
from nightschool.methods import CHAIN, MAKING
from nightschool.run_files import ADAPTER, PROOF
from tune.progress import StepLine, curves_of, read_steps
from tune.recipe import RECIPE, Recipe
from tune.replay import read_replay
from tune.skipped import read_skipped
from tune.stages import StageLine, read_stages

RUN: Final = "run.json"
CARD: Final = "README.md"
PACKAGES: Final = (
    "nightschool", "torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers", "safetensors",
    "bitsandbytes", "numpy", "pyarrow",
)  # fmt: skip
PLACES: Final = frozenset({"base_model", "dataset", "start", "speaker", "replay_rows", "replay_folder", "suites"})
"""Of a recipe: where something lies."""
ENDS: Final = 5
"""So many steps are the beginning of a method, and so many its end."""


class Machine(BaseModel):
    """On what a run was computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    """`cpu` or `cuda`."""
    device_name: str
    dtype: str
    """Of the base model's weights."""
    threads: int
    rows_at_once: int | None = None
    """As it began; None in older records, as are those below."""
    free_mb: int | None = None
    """Memory, where it decided how many rows."""
    needed_mb: int | None = None
    """By estimate."""


class ReplayNote(BaseModel):
    """What of `replay.json` is kept when the run's folder is thinned out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["own", "rows"]
    rows: int
    weight: float
    left_out: int
    content_hash: str
    """Of the rows."""


class RunRecord(BaseModel):
    """`run.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    began_at: datetime
    """When the run was ordered; a night may have queued, and been cut off, before it went on."""
    ended_at: datetime
    trained_s: float
    """Wall time of all optimizer steps."""
    versions: dict[str, str]
    platform: str
    machine: Machine
    seed: int
    base_model: str
    base_hash: str
    dataset_hash: str
    start_hash: str
    """Of the adapter that it went on from; empty for the base model."""
    share_held: float | None = None
    """Of what a whole model learnt, that the adapter holds: of its squared difference to the base; None of an adapter
    that learnt itself."""
    adapter_hash: str
    recipe: dict[str, Any]
    replay: ReplayNote | None = None
    """General rows that were mixed in."""
    stages: tuple[StageLine, ...]
    peak_memory_mb: float | None
    """Most that the trainer held, where that was measured."""


class Sources(NamedTuple):
    """What an adapter was made of, by content."""

    base_hash: str
    """`nightschool.identity`."""
    dataset_hash: str
    start_hash: str
    """Empty for the base model."""
    share_held: float | None = None
    """See `RunRecord`."""


def write_run_record(run: Path, recipe: Recipe, sources: Sources, *, machine: Machine, adapter_hash: str) -> None:
    """Write `run.json` of a run whose adapter is finished."""
    steps = read_steps(run)
    record = RunRecord(
        began_at=datetime.fromtimestamp((run / RECIPE).stat().st_mtime, UTC),
        ended_at=datetime.now(UTC),
        trained_s=round(sum(step.seconds for step in steps), 3),
        versions={"python": platform.python_version(), **dict(_versions())},
        platform=platform.platform(),
        machine=machine,
        seed=recipe.seed,
        base_model=name_base(recipe.base_model),
        **sources._asdict(),
        adapter_hash=adapter_hash,
        recipe=recipe.model_dump(exclude=set(PLACES)),
        replay=_replay_note(run),
        stages=tuple(read_stages(run)),
        peak_memory_mb=max((step.memory_mb for step in steps if step.memory_mb is not None), default=None),
    )
    write_atomic(run / RUN, record.model_dump_json(indent=2) + "\n")


def read_run_record(run: Path) -> RunRecord | None:
    """None where the run is not finished, or is an older one."""
    file = run / RUN
    return RunRecord.model_validate_json(file.read_bytes()) if file.exists() else None


def write_model_card(run: Path, recipe: Recipe, sources: Sources) -> None:
    """Write README.md beside the weights of the run's adapter, in the form that the Hub reads. It quotes nobody."""
    name = name_base(recipe.base_model)
    stages = [stage for stage in read_stages(run) if stage.ran and stage.method in CHAIN]
    methods = " -> ".join(stage.method for stage in stages)
    lines = [
        "---",
        f"base_model: {json.dumps(name)}",
        "library_name: peft",
        "pipeline_tag: text-generation",
        f"tags: {json.dumps(['lora', 'nightschool', *(stage.method for stage in stages)])}",
        "---",
        "",
        f"# Adapter on {name}",
        "",
        f"A LoRA adapter (rank {recipe.rank}, alpha {recipe.alpha}) that Nightschool trained by {methods}, seed "
        f"{recipe.seed}. {_origin(recipe, sources)}It works on this base model and on no other:",
        "",
        "| | SHA-256 |",
        "| --- | --- |",
        f"| base model {name} | `{sources.base_hash}` |",
        f"| dataset | `{sources.dataset_hash}` |",
        *([f"| adapter it went on from | `{sources.start_hash}` |"] if sources.start_hash else []),
        "",
        *_training(stages, read_steps(run)),
        *_made(run, weight=recipe.made_weight),
        *([f"Among the rows of sft are {replay.describe()}.", ""] if (replay := read_replay(run)) else []),
        *([f"Of the rows of sft {skipped.describe()}.", ""] if (skipped := read_skipped(run)) else []),
        *_proof(json.loads((run / PROOF).read_bytes())["texts"]),
    ]
    write_atomic(run / ADAPTER / CARD, "\n".join(lines))


def name_base(base_model: str) -> str:
    """A hub's id as it is, of a folder only its name."""
    return Path(base_model).name if Path(base_model).is_dir() else base_model


def _origin(recipe: Recipe, sources: Sources) -> str:
    if sources.share_held is not None:
        return f"{describe_share(sources.share_held)} "
    return "It was trained over the base model in 4 bits (NF4). " if recipe.adapter == "qlora" else ""


def describe_share(share: float) -> str:
    """What serving a whole model as an adapter costs, in words."""
    return f"The whole model learnt, and the adapter nearest to it holds {share:.1%} of what it learnt."


def _replay_note(run: Path) -> ReplayNote | None:
    replay = read_replay(run)
    if replay is None:
        return None
    return ReplayNote(
        kind=replay.kind,
        rows=len(replay.rows),
        weight=replay.weight,
        left_out=replay.left_out,
        content_hash=replay.content_hash,
    )


def _versions() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        try:
            yield package, version(package)
        except PackageNotFoundError:
            continue


def _training(stages: Sequence[StageLine], steps: Sequence[StepLine]) -> list[str]:
    """What each method learnt from, and its figures at its first and last steps."""
    taken = {phase: list(of_phase) for phase, of_phase in groupby(steps, key=lambda step: step.phase)}
    lines = [
        "## Training",
        "",
        "| method | rows | steps | loss | reward margin | reward |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stage in stages:
        of_phase = taken.get(stage.method, [])
        curves = {title: [value for _, value in points] for title, points in curves_of(of_phase)}
        ways = " | ".join(_way(curves.get(title, ())) for title in ("loss", "reward margin", "reward"))
        lines.append(f"| {stage.method} | {stage.rows} | {stage.steps} | {ways} |")
    return [*lines, ""]


def _made(run: Path, *, weight: float) -> list[str]:
    """Of the rows that were imitated, those whose answer no person wrote."""
    told = [f"{line.method}: {line.why}" for line in read_stages(run) if line.ran and line.method in MAKING]
    return [f"Answers that a machine made, of weight {weight:g}. {' '.join(told)}.", ""] if told else []


def _way(values: Sequence[float]) -> str:
    return f"{fmean(values[:ENDS]):.3f} -> {fmean(values[-ENDS:]):.3f}" if values else ""


def _proof(texts: Sequence[dict[str, Any]]) -> list[str]:
    """The proof's texts by hash and figures: a card gets shared, and they are what people wrote."""
    lines = [
        "## Proof",
        "",
        "The Nightschool that trained this adapter can prove that it is in use: under it each of these texts has the "
        "mean log-probability a token that is said here, and another one under the base model alone. "
        "`nightschool prove` asks a running engine for them. The texts themselves are words of training rows and stay "
        "on the machine that serves.",
        "",
        "| text, SHA-256 of its token ids | tokens | base | adapter |",
        "| --- | --- | --- | --- |",
    ]
    for text in texts:
        ids, base, adapter = text["token_ids"], fmean(text["base_logprobs"]), fmean(text["adapter_logprobs"])
        digest = hashlib.sha256(" ".join(map(str, ids)).encode()).hexdigest()
        lines.append(f"| `{digest}` | {len(ids)} | {base:.2f} | {adapter:.2f} |")
    return [*lines, ""]
