"""Know when a file of the record is missing, cut short or another's: DuckDB opens without a word, and rows are gone.

Beside the record lies a mark of what its files were like after the last commit. It is compared when the record is
opened: a log that has grown since is a crash and whole, one that is shorter, gone or begins otherwise is not. Each log
begins with a random token, so that another record's, or an older one of this record, begins otherwise though the very
same was committed.

The mark is overwritten in place and never waits for the disk, so a commit costs what it did: after kill -9 or a power
cut it may be older than the log, and never newer. While the log is being folded into the file the mark says so, and
nothing is compared. Without a mark (an older record's, one that could not be written) nothing is known of a log that is
missing or cut short; another's is then told by DuckDB alone, for files that were made since 0.2 (`collect.store`).
"""

import hashlib
import logging
import os
import secrets
from pathlib import Path
from typing import Final, Literal

import duckdb
from pydantic import BaseModel, ConfigDict, ValidationError

from collect.causes import FULL_DISK, find_cause
from nightschool.errors import RecordError

log = logging.getLogger(__name__)

WIDTH_BYTES: Final = 256
"""Of the mark, padded: one write replaces it whole."""
HEAD_BYTES: Final = 4096
"""Of a log's beginning that tell it from another's."""
SIGN: Final = "update log_signature set token = $token"
FOREIGN: Final = "lies beside a log that is another's ({log})"
MOVE_IT: Final = "Move that log away."
ON_PURPOSE: Final = " If what is there is a copy that you put back, delete {mark} and start again."


class Mark(BaseModel):
    """What the record's files were like."""

    model_config = ConfigDict(frozen=True)

    phase: Literal["open", "folding", "closed"]
    file_bytes: int = 0
    """Of the record, after the log was last folded in; its file shrinks at no other time."""
    log_bytes: int = 0
    head_bytes: int = 0
    head: str = ""
    """SHA-256 of so many bytes of the log's beginning."""


class Marker:
    """Keeps the mark of one record. For one thread at a time."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._path = mark_of(file)
        self._descriptor: int | None = None
        self._mark = Mark(phase="folding")

    def begin(self) -> None:
        """From here on nothing is compared until `note`: the log is folded in. Only whoever holds the record may."""
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            self._forget(error)
        else:
            self._write(Mark(phase="folding", file_bytes=_size(self._file)))

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def log_bytes(self) -> int:
        """Of the log, when it was last noted."""
        return self._mark.log_bytes

    def fold(self) -> None:
        """The log is about to be folded in, and may be shorter or gone at any moment."""
        self._write(self._mark.model_copy(update={"phase": "folding"}))

    def note(self, phase: Literal["open", "closed"] = "open") -> None:
        """The files are as they should be, now."""
        before = self._mark
        log_bytes, head_bytes, head = _size(log_of(self._file)), before.head_bytes, before.head
        if log_bytes < head_bytes or head_bytes < HEAD_BYTES or before.phase == "folding":
            head_bytes, head = _head(log_of(self._file), min(log_bytes, HEAD_BYTES))
        file_bytes = _size(self._file) if before.phase == "folding" else before.file_bytes
        self._write(Mark(phase=phase, file_bytes=file_bytes, log_bytes=log_bytes, head_bytes=head_bytes, head=head))

    def _write(self, mark: Mark) -> None:
        self._mark = mark
        if self._descriptor is not None:
            try:
                os.pwrite(self._descriptor, mark.model_dump_json().encode().ljust(WIDTH_BYTES), 0)
            except OSError as error:
                self._forget(error)

    def _forget(self, error: OSError) -> None:
        """Rather no mark than one that is not true."""
        log.warning("the record's mark cannot be written (%s): a missing log will not be noticed", error.strerror)
        self.close()
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            log.warning("delete %s: it says how the record was before", self._path)


def fold_log(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fold the log into the file, and begin the next one with a token of its own, where the disk has room for it."""
    cursor.execute("checkpoint")
    try:
        cursor.execute(SIGN, {"token": secrets.token_hex(16)})
    except duckdb.OperationalError as error:
        # What is committed next is refused as well, or begins a log that is told by its first commits.
        if find_cause(error) is not FULL_DISK:
            raise
        log.warning("the record's new log could not be signed: %s", error)


def mark_of(file: Path) -> Path:
    return file.with_name(file.name + ".state")


def log_of(file: Path) -> Path:
    """DuckDB's write-ahead log: what was committed and is not in the file yet."""
    return file.with_name(file.name + ".wal")


def check_files(file: Path) -> None:
    """Raises RecordError where files of the record are missing, cut short or another's."""
    mark = _read(mark_of(file))
    fault = _find_fault(file, mark)
    # A server that runs here writes while we look; then opening says whose the record is.
    if fault is not None and _read(mark_of(file)) == mark:
        problem, remedy = fault
        raise RecordError(problem, subject=str(file), remedy=remedy.format(mark=mark_of(file).name))


def foreign_log(file: Path) -> RecordError:
    """The record lies beside a log that was never its own."""
    return RecordError(FOREIGN.format(log=log_of(file).name), subject=str(file), remedy=MOVE_IT)


def _find_fault(file: Path, mark: Mark | None) -> tuple[str, str] | None:
    log_file = log_of(file)
    log_bytes = _size(log_file)
    if not file.exists():
        if log_bytes:
            return "is missing, and its log is there", "Put the file back to which that log belongs."
        return (
            ("is missing", "Put it back, or a backup: nightschool restore." + ON_PURPOSE)
            if mark is not None and mark.file_bytes
            else None
        )
    if mark is None or mark.phase == "folding":
        return None
    if _size(file) < mark.file_bytes:
        return (
            f"is cut short ({_size(file):,} of {mark.file_bytes:,} bytes)",
            "Bring back a backup: nightschool restore." + ON_PURPOSE,
        )
    if log_bytes < mark.log_bytes:
        what = "is cut short" if log_file.exists() else "is missing"
        return (
            f"has lost what was said last: its log {log_file.name} {what} ({log_bytes:,} of {mark.log_bytes:,} bytes)",
            "Put that file back, or bring back a backup: nightschool restore." + ON_PURPOSE,
        )
    is_ours = _head(log_file, mark.head_bytes)[1] == mark.head if mark.log_bytes else True
    if not is_ours or (mark.phase == "closed" and not mark.log_bytes and log_bytes):
        return FOREIGN.format(log=log_file.name), MOVE_IT
    return None


def _read(path: Path) -> Mark | None:
    try:
        return Mark.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        log.warning("the record's mark %s cannot be read; whether a log is missing is not known", path)
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _head(path: Path, size_bytes: int) -> tuple[int, str]:
    """How many bytes were read, and their hash."""
    if not size_bytes:
        return 0, ""
    with path.open("rb") as opened:
        read = opened.read(size_bytes)
    return len(read), hashlib.sha256(read).hexdigest()
