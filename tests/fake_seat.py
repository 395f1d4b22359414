"""Stands in for an engine's one place (`deploy.seat.Seat`) where no engine runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deploy.seat import Sitter
from nightschool.errors import EngineError


class FakeSeat:
    """Changes at once, or not at all; what it was given stands in `given`, what it holds in `sitter`."""

    def __init__(self, sitter: Sitter | None = None) -> None:
        self.sitter = sitter
        self.pause_s: float | None = 47.0
        self.given: list[str] = []
        self.fault = ""
        self.broken: set[str] = set()
        """Who does not start."""
        self.gives_up = asyncio.Event()

    def begin_with(self, sitter: Sitter) -> None:
        self.sitter = sitter

    async def until_it_does_not_start(self) -> Sitter:
        await self.gives_up.wait()
        self.gives_up.clear()
        assert self.sitter, "who it is that does not start"
        return self.sitter

    @asynccontextmanager
    async def changed_to(self, sitter: Sitter | None) -> AsyncIterator[None]:
        before, self.sitter = self.sitter, sitter
        try:
            if sitter and str(sitter.name) in self.broken:
                raise EngineError("its engine did not start", subject=str(sitter.name), remedy="Look into its log.")
            if self.fault:
                raise EngineError(self.fault, subject="engine", remedy="Look into its log.")
            self.given.append(str(sitter.name) if sitter else "base")
            yield
        except BaseException:
            self.sitter = before
            raise
