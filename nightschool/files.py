"""Files that are whole or absent: atomic writes, content hashes, manifest-last folders.

Promise: whoever finds `manifest.json` may rely on every file it names. Protects against kill -9 and power loss, not
against a second writer of the same folder.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput

MANIFEST: Final = "manifest.json"


class FileEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """POSIX path relative to the manifest's folder."""
    size_bytes: int
    sha256: str


class Manifest(BaseModel):
    """What a published folder holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    kind: str
    """What the folder is: snapshot, dataset, adapter, evaluation."""
    content_hash: str
    """SHA-256 over the sorted names and hashes of the files: equal content, equal hash."""
    files: tuple[FileEntry, ...]
    about: dict[str, str | int | float | None] = {}
    """Further facts, by kind."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace `path` in one step; after a crash it holds the old content or the new one, never a part.

    Readable by its owner alone, whatever the umask.
    """
    raw = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _fsync(path.parent)


def replace_file(draft: Path, target: Path) -> None:
    """Give a whole file its name, for good once this returned; the folder is made where it is missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _fsync(draft)
    os.replace(draft, target)
    _fsync(target.parent)


def free_bytes(folder: Path) -> int:
    """Room on the disk of `folder`; a folder that is gone has none."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe_files(folder: Path) -> tuple[FileEntry, ...]:
    """Every file under `folder` but the manifest and what is hidden, as file or by a folder, sorted by name."""
    found = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    names = {p: p.relative_to(folder) for p in found}
    return tuple(
        FileEntry(name=name.as_posix(), size_bytes=p.stat().st_size, sha256=hash_file(p))
        for p, name in names.items()
        if not any(part.startswith(".") for part in name.parts)
    )


def content_hash(entries: Iterable[FileEntry]) -> str:
    digest = hashlib.sha256()
    for entry in sorted(entries, key=lambda e: e.name):
        digest.update(f"{entry.name}\0{entry.sha256}\n".encode())
    return digest.hexdigest()


def publish(folder: Path, *, kind: str, about: dict[str, str | int | float | None] | None = None) -> Manifest:
    """Make a finished folder visible by writing its manifest last, after all in it has reached the disk."""
    entries = describe_files(folder)
    settle(folder)
    manifest = Manifest(kind=kind, content_hash=content_hash(entries), files=entries, about=about or {})
    write_atomic(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    return manifest


def settle(folder: Path) -> None:
    """Returns once all of a folder is on the disk: every file, and what each folder in it says of them."""
    for path in folder.rglob("*"):
        _fsync(path)
    _fsync(folder)


def put_in_place(draft: Path, target: Path) -> None:
    """Give a whole folder its name, which nobody has, for good: it is on the disk before the name is."""
    settle(draft)
    draft.rename(target)
    # The folder that holds it may be new as well.
    _fsync(target.parent)
    _fsync(target.parent.parent)


def copy_whole(source: Path, target: Path) -> None:
    """`target` as a copy of a published folder, whole or absent, also after a power cut."""
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        shutil.copytree(source, draft, dirs_exist_ok=True)
        put_in_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, or None where it was never finished. Raises InvalidInput for one that makes no sense."""
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes()) if path.exists() else None
    except ValidationError as error:
        raise InvalidInput(
            "is damaged, or another version's", subject=str(path), remedy="Restore the folder or make it again."
        ) from error


def verify(folder: Path) -> Manifest:
    """The manifest, once every file it names was found unchanged. Raises InvalidInput."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise InvalidInput("has no manifest", subject=str(folder), remedy="It was never finished; make it again.")
    if describe_files(folder) != manifest.files:
        raise InvalidInput(
            "differs from its manifest", subject=str(folder), remedy="Restore the folder or make it again."
        )
    return manifest


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
