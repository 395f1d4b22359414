"""Trainings stand still while somebody waits for a first word, since a low priority alone does not keep them away.

On the processors that an engine answers with, a trainer at the lowest priority still doubled the time to the first word
of one answer in twenty (`bench/beside.py`): its threads are in the way each time that the engine's sleep for a moment.
So its processes are stopped (SIGSTOP) from a question on until its answer begins. Not for ever: they stand still for
`LONGEST_S` in a row at most, and as long as they stood they go on before they are stopped again, so that a crowd that
always asks leaves them half of the time. Does not know what is trained, nor who answers.
"""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from nightschool.child import Child

LONGEST_S: Final = 5.0


class Courtesy:
    """One for each server, of its event loop."""

    def __init__(self, *, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._waiting = 0
        self._children: set[Child] = set()
        self._stopped_at_s: float | None = None
        self._free_until_s = 0.0
        self._later: asyncio.TimerHandle | None = None

    @contextmanager
    def shown_by(self, child: Child) -> Iterator[None]:
        """For the block the child stands still when it should; behind it, it runs."""
        self._children.add(child)
        if self._stopped_at_s is not None:
            _send(child, signal.SIGSTOP)
        try:
            yield
        finally:
            self._children.remove(child)
            _send(child, signal.SIGCONT)

    @contextmanager
    def first_word(self) -> Iterator["FirstWord"]:
        """Somebody waits from here on, until it is said or the block ends."""
        awaited = FirstWord(self)
        self._waiting += 1
        self._settle()
        try:
            yield awaited
        finally:
            awaited.is_said()

    def _heard(self) -> None:
        self._waiting -= 1
        self._settle()

    def _settle(self) -> None:
        """Stop or go on as is right now, and look again when that changes by itself."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        if self._stopped_at_s is not None and (not self._waiting or now_s - self._stopped_at_s >= self._longest_s):
            self._free_until_s = 2 * now_s - self._stopped_at_s
            self._stopped_at_s = None
            self._send(signal.SIGCONT)
        elif self._stopped_at_s is None and self._waiting and now_s >= self._free_until_s:
            self._stopped_at_s = now_s
            self._send(signal.SIGSTOP)
        if self._later:
            self._later.cancel()
        until_s = self._free_until_s if self._stopped_at_s is None else self._stopped_at_s + self._longest_s
        self._later = loop.call_at(until_s, self._settle) if self._waiting else None

    def _send(self, number: signal.Signals) -> None:
        for child in self._children:
            _send(child, number)


class FirstWord:
    """One that is waited for."""

    def __init__(self, courtesy: Courtesy) -> None:
        self._courtesy: Courtesy | None = courtesy

    def is_said(self) -> None:
        """Again it changes nothing."""
        if self._courtesy:
            self._courtesy._heard()
        self._courtesy = None


def _send(child: Child, number: signal.Signals) -> None:
    """To the child's whole group: what a launcher starts is in it."""
    if pid := child.pid:
        with suppress(ProcessLookupError):
            os.killpg(pid, number)
