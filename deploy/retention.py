"""What of old nights may go: whatever neither people nor the next night need.

Kept: verdicts, reports and metrics of every night; the newest nights whole; adapters that are live, were before, wait
as candidates, were judged last or promoted by a person last, and the datasets of all these. Goes: snapshots,
checkpoints and second copies of adapters of older nights, adapters long retired with their proofs, and tainted ones at
once, datasets that nobody refers to, what was compared by hand long ago, drafts of a kill, what was half taken in.
Asks record and engine, and decides nothing about a bot that is at school.
"""

import asyncio
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from collect import cycles, registry
from collect.store import Store
from deploy.exam import find_anchor
from deploy.plan import NightFolder, Step
from deploy.rollout import LIVE
from deploy.training import TIMED_OUT
from nightschool.engine import Engine
from nightschool.errors import EngineError
from nightschool.files import MANIFEST
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Cycle, CycleState, Stage
from nightschool.run_files import DONE

log = logging.getLogger(__name__)

ALL: Final = 1_000_000
RUN_KEEPS: Final = frozenset(
    {
        "recipe.toml", "resources.json", "encoding.json", "skipped.json", "stages.json",
        "metrics.jsonl", "pace.jsonl", "run.json", "plots", "train.log",
    }
)  # fmt: skip
"""By what a night's page, its card and the console's curves are worded anew."""
DRAFT_AGE: Final = timedelta(hours=1)
"""What is being written is younger."""
ENGINE_TIMEOUT_S: Final = 5
MIB: Final = 2**20


class Keep(NamedTuple):
    nights: int
    """Of each bot, whole."""
    days: int
    """Whatever is younger, too."""


@dataclass(frozen=True, slots=True)
class Needed:
    """Of one bot."""

    nights: frozenset[str]
    """Cycles whose folder stays whole."""
    adapters: frozenset[str]
    """Content hashes."""
    datasets: frozenset[str]


class Retention:
    """Made by `serve.app`; `tidy` is called at start and after each night."""

    def __init__(self, store: Store, engine: Engine, *, home: Home, keep: Keep, now: Callable[[], datetime]) -> None:
        self._store = store
        self._engine = engine
        self._home = home
        self._keep = keep
        self._now = now

    async def tidy(self) -> int:
        """Bytes that were freed. Nobody may begin a night meanwhile."""
        found = await self._store.read(partial(cycles.list_cycles, limit=ALL))
        at_school = {cycle.bot for cycle in found if cycle.state is CycleState.RUNNING}
        freed = await asyncio.to_thread(_remove_all, self._drafts(self._home.temp.glob("plan-*")))
        freed += await self._tidy_newcomers()
        for bot in {cycle.bot for cycle in found} - at_school:
            freed += await self._tidy_bot(bot, [cycle for cycle in found if cycle.bot == bot])
        if freed:
            log.info("retention freed_mib=%.1f", freed / MIB)
        return freed

    async def _tidy_bot(self, bot: BotName, nights: Sequence[Cycle]) -> int:
        adapters = await self._store.read(partial(registry.adapters, bot=bot))
        judged = await self._store.read(partial(registry.evaluations, bot=bot, limit=1))
        anchor = await find_anchor(self._store, bot)
        also = {evaluation.candidate for evaluation in judged} | ({anchor.version} if anchor else set())
        needed = find_needed(nights, adapters, also=also, keep=self._keep, now=self._now())
        loaded = await self._find_loaded()
        return await asyncio.to_thread(self._remove_unneeded, bot, nights, adapters, needed, loaded)

    async def _tidy_newcomers(self) -> int:
        """What was taken in and never registered: whoever did so was cut off in between (`deploy.adopt`)."""
        marks = list(self._drafts(self._home.newcomers()))
        if not marks or (loaded := await self._find_loaded()) is None:
            return 0
        known = {self._home.root / adapter.folder for adapter in await self._store.read(registry.adapters)}
        gone: list[Path] = []
        for mark in marks:
            folder = mark.with_suffix("")
            if folder in known:
                gone.append(mark)
            elif folder not in loaded:
                gone += [folder, self._home.proof(BotName(folder.parent.name), folder.name), mark]
        return await asyncio.to_thread(_remove_all, gone)

    async def _find_loaded(self) -> frozenset[Path] | None:
        """None where the engine cannot say: then it keeps every adapter for now, since nights wait for this."""
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(ENGINE_TIMEOUT_S):
                return frozenset((await self._engine.loaded_adapters()).values())
        return None

    def _remove_unneeded(
        self,
        bot: BotName,
        nights: Sequence[Cycle],
        adapters: Sequence[Adapter],
        needed: Needed,
        loaded: frozenset[Path] | None,
    ) -> int:
        home = self._home
        datasets = {home.dataset(bot, content_hash) for content_hash in needed.datasets}
        for cycle_id in needed.nights:
            if data := NightFolder(home.cycle(bot, cycle_id)).read_dataset():
                datasets.add(home.dataset(bot, data.content_hash))
        old = [NightFolder(home.cycle(bot, night.cycle_id)) for night in nights if night.cycle_id not in needed.nights]
        # Only adapters that the record knows: an older record put back knows nothing of the younger ones.
        unneeded = {a.content_hash for a in adapters} - needed.adapters if loaded is not None else set()
        gone = [home.adapter(bot, content_hash) for content_hash in unneeded]
        tainted = {a.content_hash for a in adapters if a.stage is Stage.TAINTED} & unneeded
        return (
            sum(map(_thin, old))
            + _remove_all({home.adapter(bot, content_hash) for content_hash in tainted} - (loaded or frozenset()))
            + _remove_all(self._aged(folder for folder in gone if folder not in (loaded or frozenset())))
            + _remove_all(_orphans(home.proofs(bot), of=home.adapters(bot)))
            + _remove_all(self._aged(set(_folders(home.datasets(bot))) - datasets))
            + _remove_all(self._aged(home.exam_answers(bot).glob("*/*")))
            + _remove_all(self._untouched(home.reports(bot)))
            + _remove_all(self._drafts(home.datasets(bot).glob(".*")))
            + _remove_all(self._drafts(home.adapters(bot).glob(".*")))
        )

    def _aged(self, folders: Iterable[Path]) -> Iterator[Path]:
        oldest = self._now() - timedelta(days=self._keep.days)
        return (folder for folder in folders if folder.exists() and _changed_at(folder) <= oldest.timestamp())

    def _untouched(self, parent: Path) -> Iterator[Path]:
        """Folders in which nothing is younger: one may be old, and be written in again now."""
        for folder in _folders(parent):
            files = [folder, *folder.rglob("*")]
            if len(list(self._aged(files))) == len(files):
                yield folder

    def _drafts(self, found: Iterable[Path]) -> Iterator[Path]:
        """Those in which nobody is writing any more."""
        oldest = self._now() - DRAFT_AGE
        return (draft for draft in found if _changed_at(draft) <= oldest.timestamp())


def find_needed(
    nights: Sequence[Cycle], adapters: Sequence[Adapter], *, also: Iterable[int], keep: Keep, now: datetime
) -> Needed:
    """What of one bot must stay; both sequences newest first, `also` further versions."""
    oldest = now - timedelta(days=keep.days)
    begun = [night for night in nights if night.step != Step.BEGIN]
    whole = {
        night.cycle_id
        for place, night in enumerate(begun)
        if place < keep.nights or night.started_at > oldest or night.state is CycleState.RUNNING
    }
    clean = [adapter for adapter in adapters if adapter.stage is not Stage.TAINTED]
    wanted = {*also, *(adapter.version for adapter in clean[:1])}
    kept = [
        adapter
        for adapter in clean
        if adapter.stage in LIVE or adapter.stage is Stage.CANDIDATE
        or adapter.version in wanted or adapter.cycle_id in whole
    ]  # fmt: skip
    return Needed(
        nights=frozenset(whole),
        adapters=frozenset(adapter.content_hash for adapter in kept),
        datasets=frozenset(adapter.dataset_hash for adapter in kept),
    )


def _thin(night: NightFolder) -> int:
    """Leave of a night what says how it went."""
    rest = [path for path in night.run.glob("*") if path.name not in RUN_KEEPS]
    # First, so that nobody goes on with a run whose checkpoints or adapter are on their way out.
    rest.sort(key=lambda path: path.name not in {TIMED_OUT, DONE})
    return _remove_all([*rest, night.snapshot])


def _orphans(proofs: Path, *, of: Path) -> Iterator[Path]:
    """Proofs of adapters that are gone: they are people's words, and nobody asks for them any more."""
    return (proof for proof in proofs.glob("*") if not (of / proof.stem).exists())


def _folders(parent: Path) -> Iterator[Path]:
    return (folder for folder in parent.glob("[!.]*") if folder.is_dir())


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime


def _remove_all(paths: Iterable[Path]) -> int:
    """Bytes that were freed. The manifest goes first: whoever finds one may rely on every file that it names."""
    freed = 0
    for path in list(paths):
        freed += sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())
        if path.is_dir():
            (path / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return freed
