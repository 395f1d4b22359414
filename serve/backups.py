"""Backups of the record while the server runs: by the clock, and when an operator asks for one.

One at a time. Does not know what a backup holds (`collect.whole`).
"""

import asyncio
import logging
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from collect.backups import Backup, Copies, Reason, copies_before, draft_backup, keep_backup, scheduled_since
from collect.erase import newest_erasure
from collect.store import Store
from nightschool.backup_part import BackupSettings
from nightschool.errors import NightschoolError
from nightschool.home import Home
from nightschool.records import utc_now

log = logging.getLogger(__name__)

LOOK_S: Final = 60.0
RETRY_S: Final = 900.0


class Backups:
    """Takes them. Made once, for one store."""

    def __init__(
        self, store: Store, home: Home, settings: BackupSettings, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._store = store
        self._home = home
        self._settings = settings
        self._now = now
        # Guards the drafts: each clears away what the one before left.
        self._taking = asyncio.Lock()

    async def take(self, reason: Reason = "asked", *, stays_here: bool = True) -> Backup:
        """The record as of now, read back by another process. Raises Unavailable without room, RecordError.

        No older one goes for a copy that does not stay in the folder.
        """
        keep = self._settings.keep if stays_here else None
        async with self._taking:
            draft = await self._store.read_long(
                partial(draft_backup, file=self._home.store, temp=self._home.temp, reason=reason, at=self._now())
            )
            made = await asyncio.to_thread(keep_backup, draft, self.folder, keep=keep)
        log.info("backup=%s messages=%d bytes=%d", made.folder, made.messages, made.size_bytes)
        return made

    @property
    def folder(self) -> Path:
        return backups_folder(self._home, self._settings)

    async def keep_going(self) -> None:
        """Take each scheduled backup once it is due, also one that was missed; until cancelled."""
        while True:
            is_well = await self.take_due()
            await self.drop_erased()
            await asyncio.sleep(LOOK_S if is_well else RETRY_S)

    async def take_due(self) -> bool:
        """Take one where one is due; False where that failed, which is told in the log."""
        try:
            since = await self._store.read(partial(scheduled_since, folder=self.folder))
            if self._settings.is_due(since=since, now=self._now()):
                await self.take("scheduled")
        except (NightschoolError, OSError) as error:
            log.error("the scheduled backup could not be taken, and is tried again: %s", error)
            return False
        except Exception:
            log.exception("the scheduled backup could not be taken, and is tried again")
            return False
        return True

    def find_copies(self, at: datetime) -> Copies:
        """What holds the record as it was before `at`, at which something was erased."""
        names = tuple(copy.name for copy in copies_before(self.folder, self._home.replaced, at=at))
        return Copies(names, at + timedelta(days=self._settings.erased_days))

    async def drop_erased(self) -> None:
        """Let go of copies that hold what was erased `erased_days` ago; what fails is told in the log."""
        until = self._now() - timedelta(days=self._settings.erased_days)
        try:
            erased_at = await self._store.read(partial(newest_erasure, at=until))
            if erased_at is None:
                return
            for copy in await asyncio.to_thread(copies_before, self.folder, self._home.replaced, at=erased_at):
                await asyncio.to_thread(shutil.rmtree, copy)
                log.info("backup=%s is gone: it held what was erased at %s", copy, erased_at)
        except (NightschoolError, OSError) as error:
            log.error("a copy that holds what was erased could not be removed, and is tried again: %s", error)
        except Exception:
            log.exception("a copy that holds what was erased could not be removed, and is tried again")


def backups_folder(home: Home, settings: BackupSettings) -> Path:
    """Where backups are, unless somebody asked for another place."""
    return settings.folder.absolute() if settings.folder else home.backups
