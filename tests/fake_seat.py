"""Stands in for an engine's one place (`deploy.seat.Seat`) where no engine runs."""

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

    def begin_with(self, sitter: Sitter) -> None:
        self.sitter = sitter

    @asynccontextmanager
    async def changed_to(self, sitter: Sitter | None) -> AsyncIterator[None]:
        before, self.sitter = self.sitter, sitter
        try:
            if self.fault:
                raise EngineError(self.fault, subject="engine", remedy="Look into its log.")
            self.given.append(str(sitter.name) if sitter else "base")
            yield
        except BaseException:
            self.sitter = before
            raise
