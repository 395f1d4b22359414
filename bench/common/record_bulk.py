"""What is done to a record as a whole while people vote on: a snapshot, exports, a backup, an import."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, get_args

from bench.common.filled import BOT, TEXT, answer_id
from collect.backups import draft_backup, keep_backup
from collect.exports import Asked, write_export
from collect.feedback import Opinion, Said, record_opinions
from collect.formats.answer_rows import Form
from collect.formats.read import read_conversations
from collect.slices import Import, import_rows
from collect.snapshot import write_snapshot
from collect.store import Store
from nightschool.records import Vote, utc_now

VOTERS: Final = 4
LOOK_S: Final = 0.02
PAUSE_S: Final = 0.02
"""Between two votes of one voter."""


class Beside(NamedTuple):
    """What something took, and what others met meanwhile."""

    seconds: float
    slowest_vote_ms: float
    grown_mb: float


async def measure_bulk(store: Store, folder: Path, *, import_talks: int) -> dict[str, float]:
    """By the names of the benchmark's last line."""
    await store.fold()
    found: dict[str, float] = {}
    alone = await _beside(store, asyncio.sleep(2))
    found["vote_wait_ms_alone"] = alone.slowest_vote_ms
    snapshot = partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=utc_now())
    found["snapshot_s"] = (await _beside(store, store.read_long(snapshot))).seconds
    found |= await _exports(store, folder)
    found |= await _backup(store, folder)
    return found | await _import(store, folder, talks=import_talks)


async def _exports(store: Store, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    grown_mb = 0.0
    for form in (None, *get_args(Form)):
        target = folder / "temp" / "export"
        write = partial(write_export, asked=Asked(BOT, form), target=target, at=utc_now())
        took = await _beside(store, store.read_long(write))
        name = f"export_{form}" if form else "export"
        found[f"{name}_mb_per_s"] = target.stat().st_size / 1e6 / took.seconds
        found[f"{name}_vote_wait_ms"] = took.slowest_vote_ms
        grown_mb = max(grown_mb, took.grown_mb)
        target.unlink()
    return found | {"export_grown_mb": grown_mb}


async def _backup(store: Store, folder: Path) -> dict[str, float]:
    file = folder / "record.duckdb"
    take = partial(draft_backup, file=file, temp=folder / "temp", reason="asked", at=utc_now())
    draft: list[Path] = []

    async def copy() -> None:
        draft.append(await store.read_long(take))

    copied = await _beside(store, copy())
    kept = await _beside(store, asyncio.to_thread(keep_backup, draft[0], folder / "backups", keep=1))
    return {
        "backup_copy_s": copied.seconds,
        "whole_mb_per_s": file.stat().st_size / 1e6 / copied.seconds,
        "whole_grown_mb": copied.grown_mb,
        "backup_check_s": kept.seconds,
        "vote_wait_ms_during_backup": max(copied.slowest_vote_ms, kept.slowest_vote_ms),
    }


async def _import(store: Store, folder: Path, *, talks: int) -> dict[str, float]:
    file = folder / "import.jsonl"
    file.write_text("".join(import_text(talks)), encoding="utf-8")
    with file.open("rb") as lines:
        wanted = Import(BOT, is_held_out=None, is_faq=False, actor="bench", at=utc_now())
        took = await _beside(store, import_rows(store, read_conversations(lines), wanted=wanted, on_bad=print))
    return {
        "import_s": took.seconds,
        "vote_wait_ms_during_import": took.slowest_vote_ms,
        "import_mb_per_mb": took.grown_mb / (file.stat().st_size / 1e6),
    }


async def _beside(store: Store, work: Awaitable[object]) -> Beside:
    """`work`, while a few people vote on and the process's memory is looked at."""
    before_mb, begun = resident_mb(), time.perf_counter()
    async with _voting(store) as waits_ms, _looking() as seen_mb:
        await work
        seconds = time.perf_counter() - begun
    return Beside(seconds, max(waits_ms, default=0.0), max(0.0, max(seen_mb) - before_mb))


@asynccontextmanager
async def _voting(store: Store) -> AsyncIterator[list[float]]:
    waits_ms: list[float] = []
    is_over = False

    async def vote(voter: int) -> None:
        while not is_over:
            said = Said(answer_id(voter), f"beside:{time.time_ns()}", Opinion(Vote.UP), utc_now())
            start = time.perf_counter()
            await store.write_row(record_opinions, said)
            waits_ms.append(1e3 * (time.perf_counter() - start))
            await asyncio.sleep(PAUSE_S)

    async with asyncio.TaskGroup() as voters:
        for voter in range(VOTERS):
            voters.create_task(vote(voter))
        yield waits_ms
        is_over = True


@asynccontextmanager
async def _looking() -> AsyncIterator[list[float]]:
    seen_mb = [resident_mb()]

    async def look() -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            seen_mb.append(resident_mb())

    looking = asyncio.create_task(look())
    try:
        yield seen_mb
    finally:
        looking.cancel()
        seen_mb.append(resident_mb())


def import_text(talks: int) -> Iterator[str]:
    for number in range(talks):
        said = [{"role": ("user", "assistant")[place % 2], "content": f"{number}.{place} {TEXT}"} for place in range(4)]
        yield json.dumps({"messages": said}) + "\n"


def resident_mb() -> float:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
