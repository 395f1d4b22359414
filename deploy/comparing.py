"""An exam of two registered versions that somebody asked for by hand, through the engine that serves.

Moves nothing and leaves no verdict in the record: what is live, and what an adapter passed, stays a night's to say. The
same question twice is one evaluation, so an exam that was cut off goes on where it was.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from collect import registry
from collect.store import Store
from deploy.exam import find_kept
from deploy.orders import contestant, guard_of, judge_of, rules_of, sampling_of, suites_of
from deploy.queue import Queue
from deploy.rewarding import reward_of
from deploy.rollout import Rollout
from eval.answers import Contestant
from eval.background import Background
from eval.examine import examine
from eval.findings import read_findings
from eval.judge import JudgeOrder
from eval.judge_file import read_judge
from eval.page import write_page
from eval.reward import RewardOrder
from eval.rules import GateRules
from eval.shown import GuardOrder
from eval.suite.every import describe_suites
from eval.suite.registry import SuiteOrder, gather_suites
from eval.verdict import VerdictFile, read_verdict
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import InvalidInput, NotFound
from nightschool.files import MANIFEST, read_manifest, write_atomic
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.knowledge import Search, find_nothing
from nightschool.records import Adapter, AdapterName, Sampling, Stage, new_id
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
    suites: SuiteOrder | None
    """Asked behind the held-out rows."""
    judge: JudgeOrder | None
    """Who compares answers beside the gate, where the bot names somebody."""
    guard: GuardOrder | None
    """What holds answers back before people see them, where the bot has it."""
    reward: RewardOrder | None
    """The reward model of the night whose dataset is asked, where the bot's gate wants one."""
    cache: Path
    """Where the bot's contestants' answers are kept."""
    folder: Path

    @property
    def evaluation(self) -> Path:
        return self.folder / EVALUATION

    @property
    def core(self) -> Path:
        """The rows that never change, as they were when this exam was first asked for."""
        return self.folder / "core.json"

    @property
    def asked(self) -> tuple[Adapter, ...]:
        return tuple(adapter for adapter in (self.candidate, self.against) if adapter is not None)


async def plan_comparison(
    store: Store,
    engine: Engine,
    home: Home,
    *,
    bot: Bot,
    candidate: int | None,
    against: int | None,
    base_model: str,
    suites: tuple[str, ...] | None = None,
    search: Search = find_nothing,
) -> Comparison:
    """The versions are looked up and the held-out rows found: those of the candidate's own dataset, of which it was
    taught nothing, or of the other's where the candidate is the base model. `suites` are asked besides; None is the
    bot's own choice, of which one that cannot be read is left out.

    Raises NotFound for a version or dataset that is not there, InvalidInput for what cannot be compared and for a
    named suite that cannot be read, and what the engine raises.
    """
    first = await _find(store, bot, candidate)
    second = await _find(store, bot, against)
    source = first or second
    if source is None:
        raise InvalidInput("is both of them", subject="the base model", remedy="Name at least one adapter.")
    dataset = await asyncio.to_thread(_find_dataset, home, source)
    other = home.dataset(bot.bot_name, second.dataset_hash) if second else None
    sampling, rules = sampling_of(bot, takes_seeds=engine.takes_seeds), rules_of(bot)
    gather = partial(_order_suites, bot, dataset, suites, own=home.golden(bot.bot_name), search=search)
    order, its_hash = await asyncio.to_thread(gather)
    hashes = [adapter.content_hash if adapter else "" for adapter in (first, second)]
    base = await asyncio.to_thread(identify_base, base_model)
    judge = judge_of(bot, base_model=base_model)
    folder = home.report(bot.bot_name, f"reward-{new_id()}")
    reward = await asyncio.to_thread(partial(reward_of, bot, home, source, folder=folder))
    judged = [judge.identity if judge else None, reward.model_hash if reward else None]
    guard = guard_of(bot, search=search)
    asked = [
        source.dataset_hash or dataset.name, *hashes, base, asdict(sampling), asdict(rules), its_hash, judged,
        guard and guard.identity,
    ]  # fmt: skip
    return Comparison(
        bot=bot,
        candidate=first,
        against=second,
        dataset=dataset,
        trained=read_trained(other) if other and read_manifest(other) else frozenset(),
        sampling=sampling,
        rules=rules,
        suites=order if order.names else None,
        judge=judge,
        guard=guard,
        reward=reward,
        cache=await find_kept(engine, home, bot=bot.bot_name, base_model=base_model),
        folder=home.report(bot.bot_name, hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]),
    )


async def compare(
    engine: Engine,
    rollout: Rollout,
    exams: Queue,
    comparison: Comparison,
    *,
    bots_core: Path,
    on_progress: Callable[[float], None],
) -> VerdictFile:
    """The verdict, from the comparison's folder where it was reached before.

    One exam at a time, a night's too. Of the bot's frozen core, which only nights may change, a copy is asked. Raises
    what a load and the engine raise.
    """
    async with exams.turn(comparison.bot.bot_name):
        with rollout.lease_all(comparison.asked):
            for adapter in comparison.asked:
                await rollout.load(adapter)
            await asyncio.to_thread(_copy_core, bots_core, comparison.core)
            await asyncio.to_thread(_clear_unjudged, comparison.evaluation)
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
                core=comparison.core,
                suites=comparison.suites,
                judge=comparison.judge,
                guard=comparison.guard,
                reward=comparison.reward,
                cache=comparison.cache,
            )
    await asyncio.to_thread(_write_page, comparison)
    return read_verdict(comparison.evaluation)


class _Ordered(NamedTuple):
    order: SuiteOrder
    hash: str
    """Of all that is asked."""


def _order_suites(bot: Bot, dataset: Path, names: tuple[str, ...] | None, *, own: Path, search: Search) -> _Ordered:
    """Of the bot's own suites what cannot be read is left out and told; whoever named one wants it."""
    order = suites_of(bot, dataset=dataset, own=own, search=search)
    if names is not None:
        order = replace(order, names=names)
    gathered = gather_suites(order)
    if names and gathered.problems:
        told = " ".join(gathered.problems)
        raise InvalidInput("cannot be asked", subject="a suite that was named", remedy=told, param="suites")
    return _Ordered(order, describe_suites(gathered.suites))


def _find_dataset(home: Home, adapter: Adapter) -> Path:
    """The adapter's own, or the bot's newest for one from outside, of whose data nothing is known. Raises NotFound."""
    if adapter.dataset_hash:
        own = home.dataset(adapter.bot, adapter.dataset_hash)
        if read_manifest(own) is None:
            raise NotFound(
                "has no dataset any more, so nothing that it was not taught is known",
                subject=str(adapter.name),
                remedy="Examine a younger version; `night.keep_days` says how long datasets stay.",
            )
        return own
    manifests = home.datasets(adapter.bot).glob(f"[!.]*/{MANIFEST}")
    newest = max(manifests, key=lambda file: (file.stat().st_mtime_ns, file.parent.name), default=None)
    if newest is None:
        raise NotFound(
            "comes from outside, and the bot has no dataset to examine it by",
            subject=str(adapter.name),
            remedy=f"Build one: `nightschool dataset build --bot {adapter.bot}`.",
        )
    return newest.parent


def _copy_core(theirs: Path, ours: Path) -> None:
    if theirs.exists() and not ours.exists():
        write_atomic(ours, theirs.read_bytes())


def _clear_unjudged(evaluation: Path) -> None:
    """Where the judge or the reward model could not be asked it is asked again; what contestants said is kept."""
    if read_manifest(evaluation) is None:
        return
    judged, rewarded = read_judge(evaluation), read_verdict(evaluation).facts.reward
    if (judged and judged.problem) or (rewarded and rewarded.problem):
        (evaluation / MANIFEST).unlink()


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
