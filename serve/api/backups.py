"""Copies and checks of the record while it is in use: POST /ops/backup and POST /ops/check.

Where a backup is put is the settings' to say, and never a caller's.
"""

from functools import partial

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from collect.check import examine_tables
from nightschool.records import utc_now
from serve.api.auth import Authority, Caller
from serve.audited import note
from serve.parts import Parts


class BackupWish(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    stays_here: bool = True
    """False: whoever asks moves it elsewhere, so that no older one goes for it."""


class BackupRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    folder: str
    taken_at: str
    messages: int
    size_bytes: int
    content_hash: str


class CheckRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    tables: dict[str, int]
    faults: list[str]


def add_backups(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.post("/backup")
    async def back_up(wish: BackupWish | None = None, caller: Caller = Depends(operator)) -> BackupRow:
        made = await parts.backups.take(stays_here=wish is None or wish.stays_here)
        keep = partial(
            note, actor=caller.actor, action="took a backup", subject=f"record:{made.content_hash[:16]}", at=utc_now()
        )
        await parts.store.write(keep)
        return BackupRow(
            folder=str(made.folder),
            taken_at=made.taken_at.isoformat(),
            messages=made.messages,
            size_bytes=made.size_bytes,
            content_hash=made.content_hash,
        )

    @router.post("/check")
    async def look_over() -> CheckRow:
        found = await parts.store.read_long(examine_tables)
        return CheckRow(tables=dict(found.tables), faults=list(found.faults))
