"""Put tonight's candidate to the exam: who is compared, by what the record says, and what production already knows.

Keeps everybody who is asked loaded until the end. Does not act on the verdict.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from collect import registry
from collect.comparisons import comparisons
from collect.events import moves_of_production
from collect.store import Store
from deploy.orders import (
    anchor_of,
    contestants,
    guard_of,
    hash_in_production,
    judge_of,
    rules_of,
    sampling_of,
    suites_of,
)
from deploy.rewarding import reward_of
from deploy.rollout import Rollout
from eval.exam import find_row_ids
from eval.examine import examine
from eval.gate import Verdict
from eval.kept import tidy_kept
from eval.spending import Spent, alpha_of_a_night
from eval.suite.every import find_questions
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import Unavailable
from nightschool.home import Home
from nightschool.identity import identify_base
from nightschool.knowledge import Search
from nightschool.records import Adapter, BotName

WORK: Final = ".reward"
"""Below an evaluation's folder, where a reward model's process works."""


async def find_anchor(store: Store, bot: BotName) -> Adapter | None:
    """The last version that a person promoted, which the gate's own promotions must not fall behind."""
    adapters = await store.read(partial(registry.adapters, bot=bot))
    return anchor_of(adapters, await store.read(partial(moves_of_production, bot=bot)))


async def find_alpha(store: Store, bot: Bot, candidate: Adapter) -> float:
    """What tonight's comparison may spend of the year's false promotions. It goes by when the night's first candidate
    was made, so that an exam which goes on after a crash spends the same, and so does one with less of the adapter."""
    adapters = await store.read(partial(registry.adapters, bot=bot.bot_name))
    made = (adapter.created_at for adapter in adapters if adapter.cycle_id == candidate.cycle_id)
    before = await store.read(partial(comparisons, bot=bot.bot_name, except_cycle=candidate.cycle_id))
    # Before nights spent anything, each was compared at the bot's own level.
    spent = [Spent(at, bot.gate.alpha if alpha is None else alpha) for at, alpha in before]
    return alpha_of_a_night(
        spent, at=min(made, default=candidate.created_at), most=bot.gate.alpha, a_year=bot.gate.false_promotions_a_year
    )


async def find_kept(engine: Engine, home: Home, *, bot: BotName, base_model: str) -> Path:
    """Where answers of this base model in this engine are kept; what another one answered is of no use here."""
    base = await asyncio.to_thread(identify_base, base_model)
    set_up = json.dumps([base, await engine.version(), engine.takes_seeds, version("nightschool")])
    return home.exam_answers(bot) / hashlib.sha256(set_up.encode()).hexdigest()[:16]


async def examine_candidate(
    engine: Engine,
    store: Store,
    rollout: Rollout,
    *,
    home: Home,
    base_model: str,
    bot: Bot,
    candidate: Adapter,
    dataset: Path,
    production_trained: frozenset[str],
    folder: Path,
    on_progress: Callable[[float], None],
    search: Search,
) -> Verdict:
    """The verdict, from `folder` where it was reached before. The changing part of the exam goes by the cycle.

    Nobody who is asked is unloaded before the end, and who was is loaded again. Raises Unavailable where production is
    moved at this moment, and what the engine raises.
    """
    anchor = await find_anchor(store, bot.bot_name)
    asked = [adapter for adapter in (candidate, anchor) if adapter is not None]
    with rollout.lease(bot.bot_name) as production, rollout.lease_all(asked):
        for adapter in asked:
            await rollout.load(adapter)
        live = hash_in_production(await store.read(partial(registry.adapters, bot=bot.bot_name)))
        if live != production.adapter_hash:
            raise Unavailable(
                "is being moved", subject=f"production of {bot.name}", remedy="The exam begins again in a moment."
            )
        suites = suites_of(bot, dataset=dataset, own=home.golden(bot.bot_name), search=search)
        cache = await find_kept(engine, home, bot=bot.bot_name, base_model=base_model)
        verdict = await examine(
            engine,
            dataset=dataset,
            contestants=contestants(candidate, production=production, anchor=anchor),
            sampling=sampling_of(bot, takes_seeds=engine.takes_seeds),
            gate=rules_of(bot, alpha=await find_alpha(store, bot, candidate)),
            folder=folder,
            on_step=lambda share, _what: on_progress(share),
            production_hash=live,
            production_trained=production_trained,
            rotation=candidate.cycle_id,
            core=home.exam_core(bot.bot_name),
            suites=suites,
            judge=judge_of(bot, base_model=base_model),
            guard=guard_of(bot, search=search),
            reward=reward_of(bot, home, candidate, folder=folder / WORK),
            cache=cache,
        )
        await asyncio.to_thread(lambda: tidy_kept(cache, row_ids=find_row_ids(dataset) | find_questions(suites)))
        return verdict
