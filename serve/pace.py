"""How often one caller may ask: a moving window for each owner, in memory; a restart forgets one window.

Does not know who the callers are, nor what they ask for.
"""

import math
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from nightschool.errors import TooManyRequests


class Pace:
    """At most `limit` in `window_s` seconds for each owner."""

    def __init__(self, limit: int, *, window_s: int = 60) -> None:
        self._limit = RateLimitItemPerSecond(limit, window_s)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def check(self, owner: str) -> None:
        """Raises TooManyRequests, which says for how long, where the owner has spent all; spends nothing."""
        if not self._windows.test(self._limit, owner):
            raise self._refusal(owner)

    def spend(self, owner: str) -> None:
        """Count one. Raises TooManyRequests where the owner has spent all."""
        if not self._windows.hit(self._limit, owner):
            raise self._refusal(owner)

    def _refusal(self, owner: str) -> TooManyRequests:
        wait_s = max(1, math.ceil(self._windows.get_window_stats(self._limit, owner).reset_time - time.time()))
        return TooManyRequests(
            f"more than {self._limit.amount} in {self._limit.multiples / 60:g} min",
            subject="too many requests",
            remedy=f"Try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
