"""A clock that can be moved: it goes at its usual pace from wherever it was set."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class MovableClock:
    def __init__(self, at: datetime, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self.move_to(at)

    def move_to(self, at: datetime) -> None:
        self._at, self._since = at, self._seconds()

    def __call__(self) -> datetime:
        return self._at + timedelta(seconds=self._seconds() - self._since)
