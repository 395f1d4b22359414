"""Which adapters hold what others had learnt: trained on from them, or the same weights under another name.

A caller's job may go on from a bot's adapter or from another job's model, and a bot may adopt what a job made. Does not
know why anybody asks (`deploy.erasing`).
"""

from collections.abc import Collection
from pathlib import Path

from collect import jobs, registry
from collect.store import Store
from deploy.job_work import lineage_of
from nightschool.errors import InvalidInput
from nightschool.home import Home
from nightschool.records import Adapter
from tune.recipe import read_recipe


async def find_heirs(store: Store, home: Home, tainted: Collection[Adapter]) -> list[Adapter]:
    """Of these adapters, oldest first, without them."""
    starts = {lineage_of(job): Path(job.order.start).name for job in await store.read(jobs.list_jobs)}
    names = {adapter.name for adapter in tainted}
    weights = {_short_hash(adapter) for adapter in tainted}
    heirs = []
    for adapter in sorted(await store.read(registry.adapters), key=lambda adapter: adapter.created_at):
        start = starts[adapter.bot] if adapter.bot in starts else start_of(home, adapter)
        if adapter.name not in names and weights & {start, _short_hash(adapter)}:
            heirs.append(adapter)
            weights.add(_short_hash(adapter))
    return heirs


def start_of(home: Home, adapter: Adapter) -> str:
    """The folder of the adapter that a night's training went on from; empty for the base model."""
    try:
        return Path(read_recipe(home.cycle(adapter.bot, adapter.cycle_id) / "run").start).name
    except (InvalidInput, OSError):
        return ""


def _short_hash(adapter: Adapter) -> str:
    """As its folder is called."""
    return Path(adapter.folder).name
