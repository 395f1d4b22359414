"""Keep tensors on disk by name, within a limit: what was not asked for longest goes first.

Each is a file of its own, written beside its place and renamed, with a checksum: a kill leaves nothing half read, and
what a power cut spoilt is as if it were not there. What a run has asked for or written stays while it runs; where it
needs more than the limit or the disk allows, the rest is not kept. Does not know what the tensors are.
"""

import logging
import os
import tempfile
import time
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from nightschool.files import free_bytes

log = logging.getLogger(__name__)

SUFFIX: Final = ".safetensors"
SPARE_BYTES: Final = 2 * 2**30
"""Room that others find on the disk."""
UNUSED_S: Final = 30 * 86_400
"""What nobody asked for in thirty days goes."""
DRAFT_S: Final = 3_600
"""What is being written is younger."""


class _Entry(NamedTuple):
    used_at: float
    size_bytes: int
    file: Path


class Shelf:
    def __init__(self, root: Path, *, limit_bytes: int, spare_bytes: int = SPARE_BYTES) -> None:
        """Several may share a `root`; the limit is that of all in it."""
        self._root, self._limit, self._spare = root, limit_bytes, spare_bytes
        self._opened_at = time.time()
        entries = sorted(_scan(root, now_s=self._opened_at))
        self._size = sum(entry.size_bytes for entry in entries)
        self._old = deque(entries)
        self._is_full = False

    @property
    def size_bytes(self) -> int:
        return self._size

    def read(self, name: str) -> Tensor | None:
        """None where it is not there, or not whole."""
        file = self._file(name)
        try:
            with safe_open(file, framework="pt") as found:
                kept: Tensor = found.get_tensor("kept")
                is_whole = (found.metadata() or {}).get("crc32") == _checksum(kept)
            os.utime(file)
        except (OSError, SafetensorError):
            return None
        return kept if is_whole else None

    def write(self, name: str, kept: Tensor) -> None:
        """Does nothing, but for a line in the log, where there is no room."""
        kept = kept.detach().cpu().contiguous()
        raw = save({"kept": kept}, metadata={"crc32": _checksum(kept)})
        if self._is_full or not self._make_room(len(raw)):
            return
        try:
            _put(self._file(name), raw)
        except OSError as error:  # a full disk ends no training
            self._give_up(str(error))
            return
        self._size += len(raw)

    def _file(self, name: str) -> Path:
        return self._root / (name + SUFFIX)

    def _make_room(self, wanted: int) -> bool:
        while self._size + wanted > self._limit and self._old:
            entry = self._old.popleft()
            with suppress(FileNotFoundError):
                if entry.file.stat().st_mtime >= self._opened_at:  # asked for since
                    continue
                entry.file.unlink()
            self._size -= entry.size_bytes
        if self._size + wanted > self._limit:
            self._give_up(f"{self._limit / 2**30:.1f} GiB are used")
        elif free_bytes(self._existing()) < self._spare + wanted:
            self._give_up("the disk is nearly full")
        return not self._is_full

    def _give_up(self, why: str) -> None:
        self._is_full = True
        log.warning("no more is kept of what frozen layers compute: %s", why)

    def _existing(self) -> Path:
        self._root.mkdir(parents=True, exist_ok=True)
        return self._root


def _scan(root: Path, *, now_s: float) -> list[_Entry]:
    """What is there, less what is too old."""
    found: list[_Entry] = []
    for file in root.rglob("*"):
        with suppress(FileNotFoundError):
            about = file.stat()
            is_draft = file.name.startswith(".")
            if not file.is_file() or not (is_draft or file.suffix == SUFFIX):
                continue
            if about.st_mtime < now_s - (DRAFT_S if is_draft else UNUSED_S):
                file.unlink()
            elif not is_draft:
                found.append(_Entry(about.st_mtime, about.st_size, file))
    return found


def _put(file: Path, raw: bytes) -> None:
    """Without waiting for the disk: the checksum tells what did not get there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(raw)
        os.replace(draft, file)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _checksum(kept: Tensor) -> str:
    return str(zlib.crc32(kept.contiguous().view(torch.uint8).numpy().tobytes()))
