"""Backups of the record: taken while it is in use, read back by another process, and few enough to fit the disk.

Each is a folder as `collect.whole` writes it, under its final name only once it was found good. Does not know when one
is due, nor who asks for it.
"""

import errno
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

from collect.check import examine_in_child
from collect.integrity import log_of
from collect.whole import KIND, write_whole
from collect.writer import Cursor
from nightschool.errors import InvalidInput, Unavailable
from nightschool.files import copy_whole, free_bytes, put_in_place, read_manifest, verify

Reason = Literal["scheduled", "asked", "upgrade"]
DRAFT: Final = "backup-"
MIB: Final = 2**20
ASIDE: Final = "%Y-%m-%dT%H-%M-%S-%f"
"""Names the folder of a record that was put aside, by when."""
SPARE_BYTES: Final = 64 * MIB
"""What a backup leaves free on the disk that it is written to."""


BORN: Final = "select min(applied_at) from migrations"


class Backup(NamedTuple):
    folder: Path
    reason: str
    taken_at: datetime
    messages: int
    size_bytes: int
    content_hash: str


def draft_backup(cursor: Cursor, file: Path, *, temp: Path, reason: Reason, at: datetime) -> Path:
    """The record `file` as of now, in a folder of `temp` that nobody relies on yet. Raises Unavailable without room.

    For one caller at a time: what an earlier one left is cleared away.
    """
    for left in temp.glob(f"{DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    wanted = file.stat().st_size + _size(log_of(file))
    check_room(temp, wanted)
    draft = Path(tempfile.mkdtemp(dir=temp, prefix=DRAFT))
    try:
        write_whole(cursor, draft, at=at, about={"reason": reason})
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return draft


def keep_backup(draft: Path, folder: Path, *, keep: int | None) -> Backup:
    """Give a draft its name in `folder` once it was read back, and let older ones of the same reason go; None: no one.

    Raises RecordError where it cannot be read back, Unavailable where the folder does not take it.
    """
    try:
        examine_in_child(draft)
        made = _describe(draft)
        target = folder / f"{made.taken_at:%Y-%m-%dT%H-%M-%S-%f}-{made.reason}"
        put_backup(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if keep is not None:
        of_a_kind = [backup for backup in list_backups(folder) if backup.reason == made.reason]
        for old in of_a_kind[max(keep, 1) :]:
            shutil.rmtree(old.folder)
    return _describe(target)


class Copies(NamedTuple):
    """What holds the record of a moment, by their folders' names, and until when."""

    names: tuple[str, ...]
    until: datetime


def copies_before(folder: Path, replaced: Path, *, at: datetime) -> list[Path]:
    """The backups in `folder`, whatever they were made for, and the records put aside in `replaced`, of before `at`."""
    aside = [path for path in replaced.iterdir() if path.is_dir()] if replaced.is_dir() else []
    return [
        *(backup.folder for backup in list_backups(folder) if backup.taken_at < at),
        *(path for path in sorted(aside) if (of := _put_aside_at(path)) is not None and of < at),
    ]


def put_backup(source: Path, target: Path) -> None:
    """Move a whole backup to a place that nobody has, also on another disk. Raises Unavailable, FileExistsError."""
    if target.exists():
        raise FileExistsError(errno.EEXIST, "is there already", str(target))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            put_in_place(source, target)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy_whole(source, target)
            verify(target)
            shutil.rmtree(source)
    except OSError as error:
        raise Unavailable(
            f"takes no backup ({error.strerror})",
            subject=str(target.parent),
            remedy="Name another folder, or set backup.folder to one.",
        ) from error


def list_backups(folder: Path) -> list[Backup]:
    """The finished ones, newest first. What else lies there is passed over."""
    if not folder.is_dir():
        return []
    found = [_describe(path) for path in folder.iterdir() if not path.name.startswith(".") and _is_backup(path)]
    return sorted(found, key=lambda backup: backup.taken_at, reverse=True)


def scheduled_since(cursor: Cursor, folder: Path) -> datetime:
    """When the newest scheduled backup was taken, or the record began."""
    scheduled = [backup.taken_at for backup in list_backups(folder) if backup.reason == "scheduled"]
    [(born_at,)] = cursor.execute(BORN).fetchall()
    return scheduled[0] if scheduled else born_at.astimezone(UTC)


def check_room(folder: Path, wanted_bytes: int) -> None:
    """Raises Unavailable where that would fill the disk."""
    free = free_bytes(folder)
    if free < wanted_bytes + SPARE_BYTES:
        raise Unavailable(
            f"has {free // MIB:,} MiB free, a copy of the record may take {(wanted_bytes + SPARE_BYTES) // MIB:,}",
            subject=str(folder),
            remedy="Free some disk.",
        )


def _is_backup(path: Path) -> bool:
    try:
        manifest = read_manifest(path)
    except (InvalidInput, OSError):
        return False
    return manifest is not None and manifest.kind == KIND and "taken_at" in manifest.about


def _put_aside_at(path: Path) -> datetime | None:
    """By the folder's name; None for what is not ours."""
    try:
        return datetime.strptime(path.name, ASIDE).replace(tzinfo=UTC)
    except ValueError:
        return None


def _describe(folder: Path) -> Backup:
    manifest = read_manifest(folder)
    assert manifest is not None
    about = manifest.about
    return Backup(
        folder,
        str(about.get("reason", "asked")),
        datetime.fromisoformat(str(about["taken_at"])),
        int(about.get("messages") or 0),
        sum(entry.size_bytes for entry in manifest.files),
        manifest.content_hash,
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
