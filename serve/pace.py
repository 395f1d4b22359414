"""How often one caller may ask: a sliding window per owner, in memory.

A restart forgets it, which costs nothing but one window. Does not know who the callers are.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from nightschool.errors import TooManyRequests

MAX_OWNERS: Final = 10_000
"""With more owners than this in the window, those that ended it are forgotten first."""


class Pace:
    """At most `limit` in `window_s` seconds for each owner."""

    def __init__(self, limit: int, *, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window_s = window_s
        self._clock = clock
        self._spent: dict[str, deque[float]] = {}

    def check(self, owner: str) -> None:
        """Raises TooManyRequests, which says for how long, where the owner has spent all; spends nothing."""
        spent = self._recent(owner)
        if len(spent) >= self._limit:
            wait_s = max(1, round(spent[0] + self._window_s - self._clock()))
            raise TooManyRequests(
                f"more than {self._limit} in {self._window_s / 60:g} min",
                subject="too many requests",
                remedy=f"Try again in {wait_s} s.",
                retry_after_s=wait_s,
            )

    def spend(self, owner: str) -> None:
        """Count one. Raises TooManyRequests where the owner has spent all."""
        self.check(owner)
        self._spent.setdefault(owner, deque()).append(self._clock())
        if len(self._spent) > MAX_OWNERS:
            self._forget()

    def _recent(self, owner: str) -> deque[float]:
        spent = self._spent.get(owner, deque())
        while spent and spent[0] <= self._clock() - self._window_s:
            spent.popleft()
        return spent

    def _forget(self) -> None:
        oldest = self._clock() - self._window_s
        self._spent = {owner: spent for owner, spent in self._spent.items() if spent and spent[-1] > oldest}
