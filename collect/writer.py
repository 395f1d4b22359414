"""One thread that commits: whatever waits is committed together, because a commit costs one wait for the disk.

If one of a group fails, the group is rolled back and each is run alone, so that a fault is the culprit's own. After an
error nothing is ever acknowledged: DuckDB's COMMIT after a failed statement returns normally and keeps nothing.
"""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, TypeVar

import duckdb

from collect.integrity import Marker, fold_log
from nightschool.errors import RecordError, Unavailable
from nightschool.files import free_bytes

Cursor = duckdb.DuckDBPyConnection
T = TypeVar("T")

log = logging.getLogger(__name__)

FATAL: Final = (duckdb.FatalException, duckdb.InternalException)
"""After one of these every cursor of the record is dead."""
MAX_GROUP: Final = 200
PROBE: Final = "select 1"
FOLD_BYTES: Final = 16 * 2**20
"""A log of this size is folded into the file."""
ROOM: Final = 2
"""So many times the log's size must be free on the disk: a fold without room ends the record, a commit does not."""


@dataclass(frozen=True, slots=True)
class _Job:
    change: Callable[[Cursor], Any]
    done: Future[Any]


class Writer:
    """Owns the writing cursor, and alone folds the log in. `close` commits what waits."""

    def __init__(self, cursor: Cursor, marker: Marker, *, folder: Path, fold_bytes: int = FOLD_BYTES) -> None:
        self._cursor = cursor
        self._marker = marker
        self._folder = folder
        self._fold_bytes = fold_bytes
        self._lacks_room = False
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        # Guards `_is_closed` and the queue's order: a job behind the closing mark would never be run.
        self._gate = threading.Lock()
        self._is_closed = False
        self._failure: duckdb.Error | None = None
        self._thread = threading.Thread(target=self._run, name="record-writer")
        self.commits = 0
        self._thread.start()

    def submit(self, change: Callable[[Cursor], T]) -> Future[T]:
        """The result of `change`, once it is durable. Raises Unavailable after `close`."""
        job = _Job(change, Future())
        with self._gate:
            if self._is_closed:
                raise Unavailable("is closed", subject="record", remedy="The server is stopping; start it again.")
            self._queue.put(job)
        return job.done

    @property
    def failure(self) -> duckdb.Error | None:
        """What closed the record for good: a full disk at a checkpoint, or a fault inside DuckDB."""
        return self._failure

    def close(self) -> None:
        with self._gate:
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()
        self._cursor.close()

    def _run(self) -> None:
        is_open = True
        while is_open:
            group = [self._queue.get()]
            while len(group) < MAX_GROUP and not self._queue.empty():
                group.append(self._queue.get())
            is_open = None not in group
            jobs = [job for job in group if job is not None and job.done.set_running_or_notify_cancel()]
            if jobs and not self._commit(jobs):
                for job in jobs:
                    self._commit_alone(job)
            if jobs and self._failure is None:
                self._marker.note()
                if self._marker.log_bytes > self._fold_bytes:
                    self._fold()

    def _fold(self) -> None:
        """Fold the log into the file, where the disk has room for it."""
        lacks_room = free_bytes(self._folder) < ROOM * self._marker.log_bytes
        if lacks_room and not self._lacks_room:
            log.error("the disk of %s is nearly full: the record's log is not folded in and grows", self._folder)
        self._lacks_room = lacks_room
        if lacks_room:
            return
        self._marker.fold()
        try:
            fold_log(self._cursor)
        except FATAL as error:
            self._note(error)
            return
        except duckdb.Error as error:
            log.warning("the record's log could not be folded in now: %s", error)
        self._marker.note()

    def _commit(self, jobs: list[_Job]) -> bool:
        """True if all of the group is durable; False if nothing of it is."""
        try:
            results = self._in_transaction(jobs)
        except FATAL as error:
            self._note(error)
            return False
        except BaseException:  # whose it was shows when each is run alone
            return False
        for job, result in zip(jobs, results, strict=True):
            job.done.set_result(result)
        return True

    def _commit_alone(self, job: _Job) -> None:
        try:
            [result] = self._in_transaction([job])
        except (duckdb.OperationalError, *FATAL) as error:
            if isinstance(error, FATAL):
                self._note(error)
            job.done.set_exception(record_error(error))
        except BaseException as error:
            job.done.set_exception(error)
        else:
            job.done.set_result(result)

    def _note(self, error: duckdb.Error) -> None:
        """The first of them says why; whatever follows knows only that the record is closed."""
        if self._failure is None:
            self._failure = error
            log.critical("the record was closed by a failure: %s", error)

    def _in_transaction(self, jobs: list[_Job]) -> list[Any]:
        self._cursor.begin()
        try:
            results = [job.change(self._cursor) for job in jobs]
            # Raises where a change hid a failed statement, after which the commit would return and keep nothing.
            self._cursor.execute(PROBE)
            self._cursor.commit()
        except BaseException:
            self._roll_back()
            raise
        self.commits += 1
        return results

    def _roll_back(self) -> None:
        try:
            self._cursor.rollback()
        except duckdb.TransactionException:
            return  # a failed commit has ended the transaction already


def record_error(error: duckdb.Error) -> RecordError:
    """What a failure of the disk or of memory means to whoever waited. Names no row: rows hold what people wrote."""
    if isinstance(error, FATAL):
        problem = "was closed by a failure"
        remedy = "Free disk space; the server stops, and a start brings back all that was acknowledged."
    else:
        problem, remedy = "could not do that, and kept nothing of it", "Free disk space and memory, then try again."
    told = RecordError(f"{problem} ({type(error).__name__})", subject="record", remedy=remedy)
    told.__cause__ = error
    return told
