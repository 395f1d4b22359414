"""How many answers one owner may ask for in a minute, counted in memory; a restart forgets one window and no more."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from nightschool.errors import TooManyRequests


class AnswerLimit:
    """A moving window of a minute for each owner."""

    def __init__(self, per_minute: int) -> None:
        self._limit = RateLimitItemPerMinute(per_minute)
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def spend(self, owner: str) -> None:
        """Count one. Raises TooManyRequests, which says when the next one is welcome."""
        if self._windows.hit(self._limit, owner):
            return
        reset_at_s = self._windows.get_window_stats(self._limit, owner).reset_time
        wait_s = max(1, math.ceil(reset_at_s - time.time()))
        raise TooManyRequests(
            f"asked for more than {self._limit.amount} answers in a minute",
            subject="API key",
            remedy=f"Try again in {wait_s} s.",
            retry_after_s=wait_s,
        )
