"""Whose turn it is: one training at a time, and one exam at a time, nights before jobs.

A training takes most of a machine's memory, an exam most of an engine's places, and two side by side end later than one
after the other. Nights come first, in the order in which they came; among jobs the API key's that was not served for
longest. Lives in memory: after a start what goes on queues again. Does not know what is waited for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nightschool.records import BotName


@dataclass(eq=False, slots=True)
class _Place:
    bot: BotName
    key: str | None
    came: int
    turn: asyncio.Event = field(default_factory=asyncio.Event)


class Queue:
    """One of a kind for each server. Whoever queues has a name of its own: a bot has one night at a time, a job its
    lineage."""

    def __init__(self) -> None:
        self._served: _Place | None = None
        self._waiting: list[_Place] = []
        self._came = 0
        # By API key, the place that was served last.
        self._last: dict[str, int] = {}

    @property
    def order(self) -> tuple[BotName, ...]:
        """The one whose turn it is, then those that wait, as they would be called now."""
        served = [self._served] if self._served else []
        return tuple(place.bot for place in [*served, *self._called()])

    def ahead_of(self, bot: BotName) -> BotName | None:
        """Whom the bot waits for: the one whose turn it is. None where it is the bot's own, or it does not want one."""
        waits = any(place.bot == bot for place in self._waiting)
        return self._served.bot if waits and self._served else None

    @asynccontextmanager
    async def turn(self, bot: BotName, *, key: str | None = None) -> AsyncIterator[None]:
        """The block runs once it is called. `key` is whose job it is; without one it is a night's."""
        self._came += 1
        place = _Place(bot, key, self._came)
        self._waiting.append(place)
        self._call()
        try:
            await place.turn.wait()
            yield
        finally:
            if self._served is place:
                self._served = None
            else:
                self._waiting.remove(place)
            self._call()

    def _called(self) -> list[_Place]:
        """Who waits, in the order of the calls to come."""
        last = dict(self._last)
        waiting, called = list(self._waiting), list[_Place]()
        while waiting:
            place = min(waiting, key=lambda p: (p.key is not None, last.get(p.key or "", 0), p.came))
            waiting.remove(place)
            called.append(place)
            if place.key is not None:
                last[place.key] = max(last.values(), default=0) + 1
        return called

    def _call(self) -> None:
        if self._served or not self._waiting:
            return
        self._served = self._called()[0]
        self._waiting.remove(self._served)
        if self._served.key is not None:
            self._last[self._served.key] = max(self._last.values(), default=0) + 1
        self._served.turn.set()
