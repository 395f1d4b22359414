"""Ask an open record in threads, each question with a cursor of its own, and end those that nobody waits for.

A connection shared by threads gives wrong rows, so each question has a cursor. One whose asker was cancelled, or which
took too long, is interrupted within DuckDB; what it does in Python goes on to its next statement. Does not know what is
asked.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, Final, Generic, TypeVar

import duckdb

from collect.causes import closed_record
from collect.writer import FATAL, Cursor, record_error
from nightschool.errors import Unavailable

T = TypeVar("T")
AGAIN_S: Final = 0.05
"""An interrupt meets one statement; until the question has ended, the next one gets its own."""


class Askers:
    """Threads that ask; questions beyond their number wait for one of their own pool alone."""

    def __init__(self, connection: Cursor, threads: int, *, name: str) -> None:
        self._connection = connection
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._running: dict[Future[Any], _Asked[Any]] = {}

    async def ask(self, question: Callable[[Cursor], T], *, deadline_s: float | None = None) -> T:
        """What `question` finds. Raises RecordError, and Unavailable past the deadline or where the record closes."""
        asked = _Asked(self._connection, question)
        try:
            future = self._threads.submit(asked.run)
        except RuntimeError:
            raise closed_record() from None
        self._running[future] = asked
        future.add_done_callback(self._running.pop)
        try:
            async with asyncio.timeout(deadline_s):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise Unavailable(
                f"took longer than {deadline_s:g} s and was ended",
                subject="this question",
                remedy="Ask for less: one bot, a smaller limit, a shorter time.",
            ) from None
        finally:
            _end(asked, future)

    def close(self) -> None:
        """End what is asked, then the threads."""
        while self._running:
            for asked in list(self._running.values()):
                asked.interrupt()
            wait(list(self._running), timeout=AGAIN_S)
        self._threads.shutdown()


class _Asked(Generic[T]):
    """A question, and whether anybody waits for its answer."""

    def __init__(self, connection: Cursor, question: Callable[[Cursor], T]) -> None:
        self._connection = connection
        self._question = question
        # Guards the cursor: what interrupts it must not meet one that is closed.
        self._lock = threading.Lock()
        self._cursor: Cursor | None = None
        self._is_unwanted = False

    def run(self) -> T:
        try:
            with self._connection.cursor() as cursor:
                self._hold(cursor)
                try:
                    return self._question(cursor)
                finally:
                    self._hold(None)
        except duckdb.InterruptException:
            raise _interrupted() from None
        except (duckdb.OperationalError, *FATAL) as error:
            raise record_error(error) from error

    def interrupt(self) -> None:
        with self._lock:
            self._is_unwanted = True
            if self._cursor is not None:
                self._cursor.interrupt()

    def _hold(self, cursor: Cursor | None) -> None:
        with self._lock:
            if cursor is not None and self._is_unwanted:
                raise _interrupted()
            self._cursor = cursor


def _interrupted() -> Unavailable:
    return Unavailable("was ended", subject="this question", remedy="Ask again.")


def _end(asked: _Asked[T], future: Future[T]) -> None:
    """Until it has ended."""
    if future.done() or future.cancel():
        return
    asked.interrupt()
    asyncio.get_running_loop().call_later(AGAIN_S, _end, asked, future)
