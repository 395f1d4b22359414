"""An exam of two registered versions that somebody asked for by hand, through the engine that serves.

Moves nothing and leaves no verdict in the record: what is live, and what an adapter passed, stays a night's to say. The
same question twice is one evaluation, so an exam that was cut off goes on where it was.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from collect import registry
from collect.store import Store
from deploy.orders import contestant, rules_of, sampling_of
from deploy.queue import Queue
from deploy.rollout import Rollout
from eval.answers import Contestant
from eval.background import Background
from eval.examine import examine
from eval.findings import read_findings
from eval.page import write_page
from eval.rules import GateRules
from eval.verdict import VerdictFile, read_verdict
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import InvalidInput, NotFound
from nightschool.files import read_manifest
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.records import Adapter, AdapterName, Sampling, Stage
from tune.dataset import read_trained

EVALUATION: Final = "evaluation"
"""Below the folder of an exam by hand, as below a night's."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Who is examined against whom, and on what; None is the base model."""

    bot: Bot
    candidate: Adapter | None
    against: Adapter | None
    dataset: Path
    trained: frozenset[str]
    """Conversations on which `against` was trained."""
    sampling: Sampling
    rules: GateRules
    folder: Path

    @property
    def evaluation(self) -> Path:
        return self.folder / EVALUATION

    @property
    def asked(self) -> tuple[Adapter, ...]:
        return tuple(adapter for adapter in (self.candidate, self.against) if adapter is not None)


async def plan_comparison(
    store: Store,
    home: Home,
    *,
    bot: Bot,
    candidate: int | None,
    against: int | None,
    base_model: str,
    takes_seeds: bool,
) -> Comparison:
    """The versions are looked up and the held-out rows found: those of the candidate's own dataset, of which it was
    taught nothing, or of the other's where the candidate is the base model.

    Raises NotFound for a version or dataset that is not there, InvalidInput for what cannot be compared.
    """
    first = await _find(store, bot, candidate)
    second = await _find(store, bot, against)
    source = first or second
    if source is None:
        raise InvalidInput("is both of them", subject="the base model", remedy="Name at least one adapter.")
    dataset = home.dataset(bot.bot_name, source.dataset_hash)
    if read_manifest(dataset) is None:
        raise NotFound(
            "has no dataset any more, so nothing that it was not taught is known",
            subject=str(source.name),
            remedy="Examine a younger version; `night.keep_days` says how long datasets stay.",
        )
    other = home.dataset(bot.bot_name, second.dataset_hash) if second else None
    sampling, rules = sampling_of(bot, takes_seeds=takes_seeds), rules_of(bot)
    hashes = [adapter.content_hash if adapter else "" for adapter in (first, second)]
    asked = [source.dataset_hash, *hashes, identify_base(base_model), asdict(sampling), asdict(rules)]
    return Comparison(
        bot=bot,
        candidate=first,
        against=second,
        dataset=dataset,
        trained=read_trained(other) if other and read_manifest(other) else frozenset(),
        sampling=sampling,
        rules=rules,
        folder=home.report(bot.bot_name, hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]),
    )


async def compare(
    engine: Engine, rollout: Rollout, exams: Queue, comparison: Comparison, *, on_progress: Callable[[float], None]
) -> VerdictFile:
    """The verdict, from the comparison's folder where it was reached before.

    One exam at a time, a night's too. Raises what a load and the engine raise.
    """
    async with exams.turn(comparison.bot.bot_name):
        with rollout.lease_all(comparison.asked):
            for adapter in comparison.asked:
                await rollout.load(adapter)
            await examine(
                engine,
                dataset=comparison.dataset,
                contestants=_contestants(comparison),
                sampling=comparison.sampling,
                gate=comparison.rules,
                folder=comparison.evaluation,
                on_step=lambda share, _what: on_progress(share),
                production_hash=comparison.against.content_hash if comparison.against else "",
                production_trained=comparison.trained,
            )
    await asyncio.to_thread(_write_page, comparison)
    return read_verdict(comparison.evaluation)


def _write_page(comparison: Comparison) -> None:
    who = f"{name_of(comparison, comparison.candidate)} against {name_of(comparison, comparison.against)}"
    write_page(comparison.folder, read_findings(comparison.evaluation), background=Background(title=who))


async def _find(store: Store, bot: Bot, version: int | None) -> Adapter | None:
    if version is None:
        return None
    adapter = await store.read(partial(registry.adapter, bot=bot.bot_name, version=version))
    if adapter.stage is Stage.TAINTED:
        raise InvalidInput("is tainted", subject=str(adapter.name), remedy="Choose another version.")
    return adapter


def _contestants(comparison: Comparison) -> dict[str, Contestant]:
    asked = {"base": contestant("base", None)}
    if comparison.against is not None:
        asked["production"] = contestant("production", comparison.against)
    return asked | {"candidate": contestant("candidate", comparison.candidate)}


def name_of(comparison: Comparison, adapter: Adapter | None) -> str:
    """`support@3` or `support@base`."""
    return str(adapter.name if adapter else AdapterName(comparison.bot.bot_name, None))
