"""Lineage both ways: what became of a message or a vote, and what a version or a dataset was made of.

Joins what the record knows (`collect.lineage`) with the datasets' files. Says what is written down and no more: a
dataset that retention or an erasure removed is told as missing.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from collect import lineage
from collect.lineage import AnswerLineage, VersionLineage
from collect.store import Store
from nightschool.errors import InvalidInput, NotFound
from nightschool.files import read_manifest
from nightschool.home import Home
from nightschool.records import AdapterName, BotName
from tune.dataset import is_usable
from tune.origins import Origin, Origins, find_origins, read_origins
from tune.recipe import Recipe, read_recipe
from tune.stages import read_stages

HASH: Final = re.compile(r"[0-9a-f]{12,64}")
NO_ROWS: Final = Origins((), 0)


@dataclass(frozen=True, slots=True)
class DatasetTrace:
    content_hash: str
    is_kept: bool
    """Whether its files are still there."""
    rows: int
    """That are asked for: all, or those made of the message or vote."""
    items: tuple[Origin, ...]
    """The first of them."""
    versions: tuple[VersionLineage, ...]
    """That were trained or examined on it."""


@dataclass(frozen=True, slots=True)
class Trained:
    """How a version was made."""

    base_model: str
    start: str
    """Folder of the adapter it went on from; empty for the base model."""
    methods: tuple[str, ...]
    """Those that took their steps."""


@dataclass(frozen=True, slots=True)
class Trace:
    subject: str
    kind: str
    """`message`, `vote`, `adapter` or `dataset`."""
    answer: AnswerLineage | None
    version: VersionLineage | None
    trained: Trained | None
    datasets: tuple[DatasetTrace, ...]


async def trace(store: Store, home: Home, subject: str, *, limit: int) -> Trace:
    """`subject`: a message's id, MESSAGE/VOTER, `support@3`, or a dataset's hash or its beginning. At most `limit`
    rows of each dataset are named. Raises NotFound."""
    if (name := AdapterName.parse(subject)) is not None and name.version is not None:
        return await _trace_version(store, home, name, limit=limit)
    if HASH.fullmatch(subject) and (folders := [*home.datasets(BotName("*")).parent.glob(f"*/{subject[:16]}*")]):
        traced = await _trace_dataset(store, folders[0], limit=limit)
        return Trace(subject, "dataset", None, None, None, (traced,))
    message_id, _, voter = subject.partition("/")
    said = await store.read(partial(lineage.answer, message_id=message_id))
    if voter and voter not in said.voters:
        raise NotFound("has not voted on it", subject=voter, remedy=f"{len(said.voters)} persons have.")
    datasets = []
    for folder in sorted(home.datasets(BotName(said.bot)).glob("[!.]*")):
        find = partial(find_origins, message_id=message_id, voter=voter or None, limit=limit)
        found = await asyncio.to_thread(find, folder) if is_usable(folder) else NO_ROWS
        if found.total:
            datasets.append(await _dataset(store, folder, found))
    return Trace(subject, "vote" if voter else "message", said, None, None, tuple(datasets))


async def _trace_version(store: Store, home: Home, name: AdapterName, *, limit: int) -> Trace:
    found = await store.read(partial(lineage.versions, bot=name.bot, version=name.version))
    if not found:
        raise NotFound("does not exist", subject=str(name), remedy="`nightschool adapters` lists them.")
    [version] = found
    folder = home.dataset(name.bot, version.dataset_hash)
    if is_usable(folder):
        traced = await _trace_dataset(store, folder, limit=limit)
    else:
        traced = DatasetTrace(version.dataset_hash, is_kept=False, rows=0, items=(), versions=(version,))
    trained = _trained(home.cycle(name.bot, version.cycle_id) / "run")
    return Trace(str(name), "adapter", None, version, trained, (traced,))


async def _trace_dataset(store: Store, folder: Path, *, limit: int) -> DatasetTrace:
    rows = await asyncio.to_thread(read_origins, folder, limit=limit) if is_usable(folder) else NO_ROWS
    return await _dataset(store, folder, rows)


async def _dataset(store: Store, folder: Path, rows: Origins) -> DatasetTrace:
    manifest = read_manifest(folder)
    of_it = partial(lineage.versions, bot=BotName(folder.parent.name), dataset=folder.name)
    content_hash = manifest.content_hash if manifest else folder.name
    return DatasetTrace(content_hash, True, rows.total, rows.first, tuple(await store.read(of_it)))


def _trained(run: Path) -> Trained | None:
    try:
        recipe: Recipe = read_recipe(run)
    except InvalidInput:
        return None
    ran = tuple(line.method for line in read_stages(run) if line.ran)
    return Trained(Path(recipe.base_model).name, Path(recipe.start).name, ran)
