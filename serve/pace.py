"""How often one caller may ask: a moving window for each owner, in memory; a restart forgets one window.

Keeps nothing of an owner whose window has passed, however many come. Does not know who the callers are, nor what they
ask for.
"""

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from nightschool.errors import TooManyRequests


class Pace:
    """At most `limit` in `window_s` seconds for each owner."""

    def __init__(self, limit: int, *, window_s: float = 60, now: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._window_s = window_s
        self._now = now
        # When each owner spent, oldest first; the owners by when they spent last, so that the idle ones come first.
        self._spent: OrderedDict[str, deque[float]] = OrderedDict()

    def check(self, owner: str) -> None:
        """Raises TooManyRequests, which says for how long, where the owner has spent all; spends nothing."""
        self._forget()
        spent = self._spent.get(owner, deque[float]())
        while spent and spent[0] <= self._now() - self._window_s:
            spent.popleft()
        if len(spent) >= self._limit:
            raise self._refusal(spent[0])

    def spend(self, owner: str) -> None:
        """Count one. Raises TooManyRequests where the owner has spent all."""
        self.check(owner)
        self._spent.setdefault(owner, deque()).append(self._now())
        self._spent.move_to_end(owner)

    def give_back(self, owner: str) -> None:
        """Take back the owner's last one, which turned out not to count."""
        if spent := self._spent.get(owner):
            spent.pop()

    def __len__(self) -> int:
        """How many owners are remembered."""
        return len(self._spent)

    def _forget(self) -> None:
        while self._spent:
            owner, spent = next(iter(self._spent.items()))
            if spent and spent[-1] > self._now() - self._window_s:
                return
            del self._spent[owner]

    def _refusal(self, oldest: float) -> TooManyRequests:
        wait_s = max(1, math.ceil(oldest + self._window_s - self._now()))
        return TooManyRequests(
            f"more than {self._limit} in {self._window_s / 60:g} min",
            subject="too many requests",
            remedy=f"Try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
