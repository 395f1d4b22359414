"""Whose turn it is: one training at a time, and one exam at a time, first come, first served.

A training takes most of a machine's memory, an exam most of an engine's places, and two side by side end later than one
after the other. Lives in memory: after a start the nights that go on queue again. Does not know what is waited for.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nightschool.records import BotName


class Queue:
    """One of a kind for each server. A bot has one night at a time, so it stands here once."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()  # serves in the order in which it was asked
        self._order: list[BotName] = []

    @property
    def order(self) -> tuple[BotName, ...]:
        """The bot whose turn it is, then those that wait."""
        return tuple(self._order)

    def ahead_of(self, bot: BotName) -> BotName | None:
        """Whom the bot waits for: the one whose turn it is. None where it is the bot's own, or it does not want one."""
        return self._order[0] if bot in self._order[1:] else None

    @asynccontextmanager
    async def turn(self, bot: BotName) -> AsyncIterator[None]:
        """The block runs once everybody who came before has left theirs."""
        self._order.append(bot)
        try:
            async with self._turn:
                yield
        finally:
            self._order.remove(bot)
