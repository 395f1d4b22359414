"""Watch the free room on the disk of the data folder, so that somebody hears of it before a commit fails.

The bound is the nights' (`night.min_free_gib`): below it none begins. Does not know what takes the room, and
frees none.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from nightschool.files import free_bytes

log = logging.getLogger(__name__)

GIB: Final = 2**30
PERIOD_S: Final = 30.0


class DiskView(BaseModel):
    model_config = ConfigDict(frozen=True)

    free_gib: float
    is_low: bool
    """Less than the bound is free: no night begins, and before long nothing can be recorded."""


def look_at_disk(folder: Path, *, min_free_gib: float) -> DiskView:
    """As of now. A folder that is gone has no room."""
    free = free_bytes(folder) / GIB
    return DiskView(free_gib=round(free, 2), is_low=free < min_free_gib)


async def watch_disk(folder: Path, *, min_free_gib: float, period_s: float = PERIOD_S) -> None:
    """Until cancelled; each change is told once."""
    was_low = False
    while True:
        disk = await asyncio.to_thread(look_at_disk, folder, min_free_gib=min_free_gib)
        if disk.is_low and not was_low:
            log.warning(
                "disk=low free_gib=%.2f bound_gib=%g: no night begins, and before long nothing can be recorded",
                disk.free_gib,
                min_free_gib,
            )
        elif was_low and not disk.is_low:
            log.info("disk=ok free_gib=%.2f", disk.free_gib)
        was_low = disk.is_low
        await asyncio.sleep(period_s)
