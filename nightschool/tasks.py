"""Work that goes on by itself, each piece under a name by which it can be stopped. Does not know what the work is."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class TasksByName:
    """Made inside the task group that holds them. A name is free again once its work has ended."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Of all that goes on now."""
        return frozenset(self._running)

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(work)
        self._running[name] = task
        task.add_done_callback(lambda _: self._running.pop(name, None))

    async def stop(self, name: str) -> None:
        """Returns once it has ended; at once where none of that name goes on."""
        if task := self._running.get(name):
            task.cancel()
            await asyncio.wait({task})

    async def stop_all(self) -> None:
        tasks = set(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
