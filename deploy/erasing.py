"""Erase for good: rows at once, then every file that was made of them, and what the record's file keeps of them.

Adapters that had learnt any of it are tainted: one that answers people does so until a clean one takes its place,
which the next night trains whatever else is new; all others are never used again and lose their files. Killed anywhere
it is done again until it is whole, and only then the certificate is written. Waits for a night or an exam of the bot.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from collect import cycles, erase, registry
from collect.backups import Copies
from collect.erase import Erasure, Kind, Wish
from collect.scrub import scrub
from collect.store import Store
from deploy.copies import (
    HeldDataset,
    Journal,
    Removed,
    blot_logs,
    find_datasets,
    find_nights,
    remove_caches,
    remove_golden,
    remove_graded,
    remove_nights,
    thin_proof,
)
from deploy.heirs import find_heirs, start_of
from deploy.plan import NightFolder
from deploy.rollout import Rollout
from deploy.suppression import keep_wish
from nightschool.bots import BotShelf
from nightschool.errors import NightschoolError
from nightschool.files import write_atomic
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Stage, new_id
from tune.holding import Held, Sought

log = logging.getLogger(__name__)

PERIOD_S: Final = 3_600.0
"""Between two looks at what is left to erase: so rarely do votes wait for a table that strangers have written anew."""
AGED_EVERY: Final = timedelta(hours=20)
MOST_AGED: Final = 20_000
"""Conversations at once; the rest goes the next day."""


class Certificate(BaseModel):
    """What was erased: where and when, by whom, with hashes and without a word of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    erasure_id: str
    kind: str
    subject_hash: str
    """SHA-256 of the conversation's id or the person's, the first 16 digits."""
    by: str
    reason: str
    rows_erased_at: datetime
    finished_at: datetime
    bots: tuple[str, ...]
    rows: dict[str, dict[str, str | int]]
    """How many by table, and a hash over them."""
    files: tuple[Removed, ...]
    tainted: tuple[str, ...]
    """Adapters."""
    copies: tuple[str, ...]
    """Backups of before, and records that one replaced: they hold it still."""
    copies_until: datetime
    """By then they are gone."""


class Asked(NamedTuple):
    """What became of a wish."""

    erasure: Erasure
    certificate: Certificate | None
    """None where a night or an exam of the bot runs: it follows when that ends."""


class Eraser:
    """Made by `serve.app`. One erasure at a time."""

    def __init__(
        self,
        store: Store,
        rollout: Rollout,
        home: Home,
        *,
        shelf: BotShelf,
        copies: Callable[[datetime], Copies],
        at_rest: Callable[[], AbstractAsyncContextManager[Collection[BotName]]],
        on_erased: Callable[[Erasure], Awaitable[None]],
        now: Callable[[], datetime],
    ) -> None:
        """`copies` finds those of before a moment; `on_erased` empties memory. See `deploy.schedule.Nights.at_rest`."""
        self._store = store
        self._rollout = rollout
        self._home = home
        self._shelf = shelf
        self._find_copies = copies
        self._at_rest = at_rest
        self._on_erased = on_erased
        self._now = now
        # Guards the walk over the files.
        self._finishing = asyncio.Lock()

    async def erase(self, kind: Kind, subject: str, *, actor: str, reason: str, at_once: bool) -> Asked:
        """The rows are gone when this returns; files too, where it is to be `at_once` and nothing is in the way.

        Raises NotFound where the record holds nothing of it.
        """
        doomed = await self._store.read(partial(erase.find_doomed, kind=kind, subject=subject))
        texts = await self._store.read(partial(erase.texts_of, doomed=doomed, subject=subject))
        # Before the rows go, whose words are not known any more then.
        logs = sorted(file for file in self._home.logs.rglob("*") if file.is_file())
        await asyncio.to_thread(blot_logs, logs, texts)
        wish = Wish(new_id(), kind, subject, actor, reason, self._now())
        await asyncio.to_thread(keep_wish, self._home.erasures, wish)
        erasure = await self._store.write(partial(erase.erase_rows, wish=wish))
        await self._on_erased(erasure)
        log.info("erasure=%s kind=%s rows are erased", erasure.erasure_id, kind)
        certificates = await self.finish() if at_once else []
        mine = next((found for found in certificates if found.erasure_id == erasure.erasure_id), None)
        return Asked(erasure, mine)

    async def erase_aged(self) -> None:
        """Of each bot that keeps chats for so many days (`privacy.keep_days`), those that are older, once a day: each
        time the next night trains anew."""
        for bot in self._shelf.bots.values():
            last = await self._store.read(partial(erase.last_aged, bot=bot.bot_name))
            if not bot.privacy.keep_days or (last and self._now() - last < AGED_EVERY):
                continue
            before = self._now() - timedelta(days=bot.privacy.keep_days)
            aged = await self._store.read(partial(erase.find_aged, bot=bot.bot_name, before=before, most=MOST_AGED))
            if aged:
                why = f"older than {bot.privacy.keep_days} days"
                wish = Wish(new_id(), "age", bot.name, "retention", why, self._now())
                await self._on_erased(await self._store.write(partial(erase.erase_rows, wish=wish, aged=aged)))

    async def finish(self) -> list[Certificate]:
        """Remove what is left of all erasures whose bots are not at school or examined; the certificates of these."""
        async with self._finishing, self._at_rest() as examined:
            running = {cycle.bot for cycle in await self._store.read(cycles.running_cycles)}
            left = await self._store.read(erase.unfinished)
            ready = [erasure for erasure in left if not {*running, *examined} & set(erasure.bots)]
            if not ready:
                return []
            for erasure in ready:
                await self._remove_files(erasure)
            tables = sorted({table for erasure in ready for table in erasure.about["rows"]})
            await scrub(self._store, tables)
            return [await self._certify(erasure) for erasure in ready]

    async def keep_going(self, *, period_s: float = PERIOD_S) -> None:
        """Until cancelled: erase what is too old, and finish what nobody waits for or a kill cut off."""
        while True:
            try:
                await self.erase_aged()
                await self.finish()
            except (NightschoolError, OSError) as error:
                log.error("an erasure is not whole yet and is tried again: %s", error)
            except Exception:
                # A damaged file or a fault of ours holds the erasure up, not the server.
                log.exception("an erasure is not whole yet and is tried again")
            await asyncio.sleep(period_s)

    def certificate_file(self, erasure_id: str) -> Path:
        return self._home.erasures / f"{erasure_id}.json"

    async def _remove_files(self, erasure: Erasure) -> None:
        sought = Sought(erasure.conversation_ids, erasure.message_ids, erasure.voted_ids)
        journal = self._journal(erasure)
        for bot in erasure.bots:
            datasets = await asyncio.to_thread(find_datasets, self._home, bot, sought)
            held = {found.content_hash: found.held for found in datasets}
            # Before the datasets go, by which it is known who learnt of them.
            tainted = await self._taint(bot, held, erasure=erasure)
            nights = await asyncio.to_thread(find_nights, self._home, bot, sought, datasets=set(held))
            proofs = [self._home.proof(bot, adapter.content_hash) for adapter in tainted]
            copies = _Copies(bot, sought, proofs, nights, datasets)
            await asyncio.to_thread(_remove_copies, self._home, copies, journal)
            await self._remove_tainted(bot, journal)
        await self._taint_heirs(erasure, journal)

    async def _taint(self, bot: BotName, held: dict[str, Held], *, erasure: Erasure) -> list[Adapter]:
        """Whoever learnt any of it; also who was trained by a dataset that is gone, or goes on from such a one."""
        adapters = await self._store.read(partial(registry.adapters, bot=bot))
        hashes: set[str] = set()
        tainted = []
        for adapter in sorted(adapters, key=lambda adapter: adapter.version):
            if adapter.tainted_at is not None:
                hashes.add(adapter.content_hash[:16])
                tainted.append(adapter)
            elif self._has_learnt(adapter, held, since=erasure.about.get("since"), tainted=hashes):
                hashes.add(adapter.content_hash[:16])
                why = f"{erasure.kind} {erasure.subject_hash} was erased"
                await self._rollout.taint(adapter, actor=erasure.actor, reason=why)
                tainted.append(adapter)
        return tainted

    async def _taint_heirs(self, erasure: Erasure, journal: Journal) -> None:
        """Models of callers' jobs that went on from what is tainted, and whoever adopted one."""
        adapters = await self._store.read(registry.adapters)
        heirs = await find_heirs(self._store, self._home, [one for one in adapters if one.tainted_at])
        for heir in heirs:
            if heir.tainted_at is None:
                why = f"{erasure.kind} {erasure.subject_hash} was erased, and it goes on from what had learnt of it"
                await self._rollout.taint(heir, actor=erasure.actor, reason=why)
        for bot in sorted({heir.bot for heir in heirs}):
            await self._remove_tainted(bot, journal)

    def _has_learnt(self, adapter: Adapter, held: dict[str, Held], *, since: str | None, tainted: set[str]) -> bool:
        if (known := held.get(adapter.dataset_hash)) is not None:
            if known.is_trained:
                return True
        elif since and self._has_lost_dataset(adapter):
            return adapter.created_at >= datetime.fromisoformat(since)
        return start_of(self._home, adapter) in tainted

    def _has_lost_dataset(self, adapter: Adapter) -> bool:
        """Of a night; what was trained elsewhere never had one here."""
        night = self._home.cycle(adapter.bot, adapter.cycle_id)
        return night.exists() and not self._home.dataset(adapter.bot, adapter.dataset_hash).exists()

    async def _remove_tainted(self, bot: BotName, journal: Journal) -> None:
        """Weights that nobody will use again, and by what they would be proved."""
        adapters = await self._store.read(partial(registry.adapters, bot=bot))
        used = {adapter.content_hash for adapter in adapters if adapter.stage is not Stage.TAINTED}
        for adapter in adapters:
            if adapter.stage is Stage.TAINTED and adapter.content_hash not in used:
                await self._rollout.unload(adapter)
                for path in (self._home.root / adapter.folder, self._home.proof(bot, adapter.content_hash)):
                    await asyncio.to_thread(journal.remove, path, "tainted adapter")

    async def _certify(self, erasure: Erasure) -> Certificate:
        journal, at = self._journal(erasure), self._now()
        copies = await asyncio.to_thread(self._find_copies, erasure.erased_at)
        adapters = [
            adapter
            for bot in erasure.bots
            for adapter in await self._store.read(partial(registry.adapters, bot=bot))
            if adapter.tainted_at is not None and adapter.tainted_at >= erasure.erased_at
        ]
        adapters += await find_heirs(self._store, self._home, adapters)
        certificate = Certificate(
            erasure_id=erasure.erasure_id,
            kind=erasure.kind,
            subject_hash=erasure.subject_hash,
            by=erasure.actor,
            reason=erasure.reason,
            rows_erased_at=erasure.erased_at,
            finished_at=at,
            bots=erasure.bots,
            rows=erasure.about["rows"],
            files=tuple(journal.read()),
            tainted=tuple(sorted(str(adapter.name) for adapter in adapters)),
            copies=copies.names,
            copies_until=copies.until,
        )
        file = self.certificate_file(erasure.erasure_id)
        await asyncio.to_thread(write_atomic, file, certificate.model_dump_json(indent=2) + "\n")
        await self._store.write(partial(erase.finish, erasure=erasure, at=at))
        journal.close()
        log.info("erasure=%s is whole files=%d tainted=%d", erasure.erasure_id, len(certificate.files), len(adapters))
        return certificate

    def _journal(self, erasure: Erasure) -> Journal:
        return Journal(self.certificate_file(erasure.erasure_id).with_suffix(".journal"), root=self._home.root)


class _Copies(NamedTuple):
    bot: BotName
    sought: Sought
    proofs: Sequence[Path]
    nights: Sequence[NightFolder]
    datasets: Sequence[HeldDataset]


def _remove_copies(home: Home, copies: _Copies, journal: Journal) -> None:
    """The datasets last: by them it is known what the rest was made of."""
    items = {item for found in copies.datasets for item in found.held.items}
    for proof in copies.proofs:
        thin_proof(proof, items=items, journal=journal)
    remove_nights(copies.nights, journal)
    remove_caches(home, copies.bot, journal)
    remove_golden(home, copies.bot, copies.sought, journal)
    remove_graded(home, copies.sought, journal)
    for found in copies.datasets:
        journal.remove(found.folder, "dataset")
