"""One thread that commits: whatever waits is committed together, because a commit costs one wait for the disk.

Rows of one kind go to their change in one call, so that a busy hour costs few statements. Where a change raises, what
went before it is committed without it, it is run apart, so that a fault is the culprit's own, and the rest goes on.
After an error nothing is ever acknowledged: DuckDB's COMMIT after a failed statement returns normally and keeps
nothing.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import duckdb

from collect.causes import closed_record, find_cause
from collect.integrity import Marker, fold_log
from nightschool.errors import NightschoolError, RecordError
from nightschool.files import free_bytes

Cursor = duckdb.DuckDBPyConnection
R = TypeVar("R")
T = TypeVar("T")
Batch = Callable[[Cursor, Sequence[R]], Sequence[T | NightschoolError]]
"""A change of many rows at once: what became of each, in their order. Of a row that it refuses it has kept nothing."""

log = logging.getLogger(__name__)

FATAL: Final = (duckdb.FatalException, duckdb.InternalException)
"""After one of these every cursor of the record is dead."""
MAX_GROUP: Final = 512
WINDOW_S: Final = 0.002
"""So long at most a group waits until it is as large as the one before."""
PROBE: Final = "select 1"
FOLD_BYTES: Final = 16 * 2**20
"""A log of this size is folded into the file once nobody has written for a moment: a fold writes the indexes anew, a
second in a large record, and nobody can write meanwhile."""
IDLE_S: Final = 0.25
MOST_FOLD_BYTES: Final = 4
"""So many times that at most, where somebody always writes: the next start reads the log again."""
ROOM: Final = 2
"""So many times the log's size must be free on the disk: a fold without room ends the record, a commit does not."""


@dataclass(frozen=True, slots=True)
class _Job:
    change: Callable[[Cursor, Sequence[Any]], Sequence[Any]]
    row: Any
    done: Future[Any]


@dataclass(frozen=True, slots=True)
class _FoldNow:
    done: Future[None]


@dataclass(frozen=True, slots=True)
class _Call:
    """Rows that one call of their change keeps."""

    jobs: list[_Job]

    def run(self, cursor: Cursor) -> Sequence[Any]:
        return self.jobs[0].change(cursor, [job.row for job in self.jobs])

    def apart(self) -> list[list["_Call"]]:
        return [[_Call([job])] for job in self.jobs]


class Writer:
    """Owns the writing cursor, and alone folds the log in. `close` commits what waits."""

    def __init__(self, cursor: Cursor, marker: Marker, *, folder: Path, fold_bytes: int = FOLD_BYTES) -> None:
        self._cursor = cursor
        self._marker = marker
        self._folder = folder
        self._fold_bytes = fold_bytes
        self._lacks_room = False
        self._was_folded = False
        self._queue: SimpleQueue[_Job | _FoldNow | None] = SimpleQueue()
        # Guards `_is_closed` and the queue's order: a job behind the closing mark would never be run.
        self._gate = threading.Lock()
        self._is_closed = False
        self._failure: duckdb.Error | None = None
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="record-writer")
        self.commits = 0
        self._thread.start()

    def submit(self, change: Callable[[Cursor], T]) -> Future[T]:
        """The result of `change`, once it is durable. Raises Unavailable after `close`."""
        return self.submit_row(lambda cursor, _: [change(cursor)], None)

    def submit_row(self, change: Batch[R, T], row: R) -> Future[T]:
        """What became of `row`, once it is durable; rows that wait for the same change go to it together."""
        job = _Job(change, row, Future())
        self._put(job)
        return job.done

    def submit_fold(self) -> Future[None]:
        """Done once all that was committed before stands in the file, and nothing in the log."""
        fold = _FoldNow(Future())
        self._put(fold)
        return fold.done

    def _put(self, wanted: _Job | _FoldNow) -> None:
        with self._gate:
            if self._is_closed:
                raise closed_record()
            self._queue.put(wanted)

    @property
    def failure(self) -> duckdb.Error | None:
        """What closed the record for good: a full disk at a checkpoint, or a fault inside DuckDB."""
        return self._failure

    @property
    def is_in_trouble(self) -> bool:
        """Whether disk or memory refused the last commit."""
        return self._trouble is not None

    def close(self) -> None:
        with self._gate:
            self._is_closed = True
            self._queue.put(None)
        self._thread.join()
        self._cursor.close()

    def _run(self) -> None:
        is_open, before = True, 0
        while is_open:
            group = self._gather(before)
            is_open, before = None not in group, len(group)
            wanted = [one for one in group if one is not None and one.done.set_running_or_notify_cancel()]
            jobs = [job for job in wanted if isinstance(job, _Job)]
            folds = [fold for fold in wanted if isinstance(fold, _FoldNow)]
            if jobs:
                self._commit(_calls(jobs))
            if jobs and self._failure is None:
                self._marker.note()
            if self._failure is None and (folds or self._marker.log_bytes > MOST_FOLD_BYTES * self._fold_bytes):
                self._fold()
            for fold in folds:
                _tell(fold, self._folded())

    def _gather(self, before: int) -> list[_Job | _FoldNow | None]:
        """What waits. Behind a group of several its askers come again at once: without a moment for them the first one
        would have a commit for itself, and the others theirs only after it."""
        group = [self._next()]
        until = time.monotonic() + WINDOW_S
        while len(group) < MAX_GROUP and group[-1] is not None:
            left_s = until - time.monotonic() if len(group) < before else 0.0
            try:
                group.append(self._queue.get(timeout=max(left_s, 0.0)))
            except Empty:
                break
        return group

    def _next(self) -> _Job | _FoldNow | None:
        """What is wanted next; a log that has grown is folded in as soon as nothing is."""
        if self._failure is None and self._marker.log_bytes > self._fold_bytes:
            try:
                return self._queue.get(timeout=IDLE_S)
            except Empty:
                self._fold()
        return self._queue.get()

    def _fold(self) -> None:
        """Fold the log into the file, where the disk has room for it."""
        lacks_room = free_bytes(self._folder) < ROOM * self._marker.log_bytes
        if lacks_room and not self._lacks_room:
            log.error("the disk of %s is nearly full: the record's log is not folded in and grows", self._folder)
        self._lacks_room = lacks_room
        self._was_folded = False
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
        else:
            self._was_folded = True
        self._marker.note()

    def _folded(self) -> RecordError | None:
        """Why what is committed does not stand in the file; None where it does."""
        if self._failure is not None:
            return record_error(self._failure)
        if not self._was_folded:
            return RecordError(
                "could not be folded into its file", subject="record", remedy="Free disk space, then try again."
            )
        return None

    def _commit(self, calls: list[_Call]) -> None:
        waiting = [calls]
        while waiting:
            waiting.extend(reversed(self._attempt(waiting.pop())))

    def _attempt(self, calls: list[_Call]) -> list[list[_Call]]:
        """Make all of it durable. Where that fails nothing of it is: what to attempt instead, in that order."""
        begun = 0
        try:
            self._cursor.begin()
            try:
                results = []
                for call in calls:
                    begun += 1
                    results.append(call.run(self._cursor))
                begun += 1
                # Raises where a change hid a failed statement, after which the commit would return and keep nothing.
                self._cursor.execute(PROBE)
                self._cursor.commit()
            except BaseException:
                self._roll_back()
                raise
        except BaseException as error:
            if isinstance(error, FATAL):
                self._note(error)
            elif isinstance(error, duckdb.OperationalError):
                self._note_trouble(error)
            return _without_culprit(calls, begun, error)
        self.commits += 1
        if self._trouble is not None:
            self._trouble = None
            log.info("the record takes changes again")
        for call, outcomes in zip(calls, results, strict=True):
            for job, outcome in zip(call.jobs, outcomes, strict=True):
                _tell(job, outcome)
        return []

    def _note(self, error: duckdb.Error) -> None:
        """The first of them says why; whatever follows knows only that the record is closed."""
        if self._failure is None:
            self._failure = error
            log.critical("the record was closed by a failure: %s", error)

    def _note_trouble(self, error: duckdb.OperationalError) -> None:
        """In the log once, as long as it is the same."""
        trouble = record_error(error).problem
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("the record %s, and takes no changes: %s", trouble, error)

    def _roll_back(self) -> None:
        try:
            self._cursor.rollback()
        except duckdb.TransactionException:
            return  # a failed commit has ended the transaction already


def _calls(jobs: Sequence[_Job]) -> list[_Call]:
    """Jobs with the same change share a call, which stands where the first of them stood."""
    calls: dict[Callable[..., Any], _Call] = {}
    for job in jobs:
        calls.setdefault(job.change, _Call([])).jobs.append(job)
    return list(calls.values())


def _without_culprit(calls: list[_Call], begun: int, error: BaseException) -> list[list[_Call]]:
    """What to attempt instead. `begun` is the number of the call that failed; where it is no call's, any may have."""
    if len(calls) > 1 and 0 < begun <= len(calls):
        parts = [calls[: begun - 1], [calls[begun - 1]], calls[begun:]]
        return [part for part in parts if part]
    if len(calls) > 1:
        return [[call] for call in calls]
    [call] = calls
    if len(call.jobs) > 1:
        return call.apart()
    _tell(call.jobs[0], record_error(error) if isinstance(error, (duckdb.OperationalError, *FATAL)) else error)
    return []


def _tell(job: _Job | _FoldNow, outcome: Any) -> None:
    if isinstance(outcome, BaseException):
        job.done.set_exception(outcome)
    else:
        job.done.set_result(outcome)


def record_error(error: duckdb.Error) -> RecordError:
    """What a failure of the disk or of memory means to whoever waited. Names no row: rows hold what people wrote."""
    cause = find_cause(error)
    problem = cause.problem if cause else f"could not do that ({type(error).__name__})"
    remedy = cause.remedy if cause else "Free disk space and memory, then try again."
    if isinstance(error, FATAL):
        problem = f"was closed by a failure, and {problem}"
        remedy += " The server stops, and a start brings back all that was acknowledged."
    told = RecordError(problem, subject="record", remedy=remedy)
    told.__cause__ = error
    return told
