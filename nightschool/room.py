"""Refuse work early for whose files the disk has no room, in place of failing in the middle of it.

What work will write can only be guessed from what it reads; whoever asks says how much. Does not know what takes the
room, and frees none.
"""

from pathlib import Path
from typing import Final

from nightschool.errors import Unavailable
from nightschool.files import free_bytes

MIB: Final = 2**20


def check_room(folder: Path, *, wanted_bytes: int, spare_bytes: int, subject: str) -> None:
    """Raises Unavailable where the disk of `folder` would have less than `spare_bytes` left."""
    free = free_bytes(folder)
    if free < wanted_bytes + spare_bytes:
        raise Unavailable(
            f"there is too little room for it: {free // MIB:,} MiB of disk are free, it may take "
            f"{wanted_bytes // MIB:,} and {spare_bytes // MIB:,} must stay free",
            subject=subject,
            remedy="Free some disk, then send it again; night.min_free_gib says how much stays free.",
        )
