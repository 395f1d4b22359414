"""Tell the tasks that wait for the writer what became of their rows: one call across threads for all that is known.

A call for each, as asyncio makes them, costs a busy group more than its commit: each wakes the loop, which then takes
the interpreter from the writer. Does not know what was written.
"""

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Replies:
    """Those to the tasks of one loop; made there."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # Whoever puts the first one in wakes the loop, which takes out all that it finds. One at a time puts in: of two
        # that met, the writer and whoever gives a row up, each would leave it to the other, and nobody be woken again.
        self._putting = threading.Lock()
        self._known: deque[tuple[Future[Any], asyncio.Future[Any]]] = deque()

    def wait_for(self, done: Future[T]) -> asyncio.Future[T]:
        """As `asyncio.wrap_future`: to give the one up gives up the other."""
        waiting: asyncio.Future[T] = self._loop.create_future()
        waiting.add_done_callback(lambda waiting: done.cancel() if waiting.cancelled() else None)
        done.add_done_callback(lambda done: self._put(done, waiting))
        return waiting

    def _put(self, done: Future[Any], waiting: asyncio.Future[Any]) -> None:
        with self._putting:
            self._known.append((done, waiting))
            is_first = len(self._known) == 1
        if is_first and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand_out)

    def _hand_out(self) -> None:
        while self._known:
            done, waiting = self._known.popleft()
            if waiting.done():
                continue
            error = done.exception()
            if error is None:
                waiting.set_result(done.result())
            else:
                waiting.set_exception(error)
