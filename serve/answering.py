"""An answer in the making: what is known of it while it streams, and how to end it early without losing its record.

Knows one answer and the task that makes it; who reads it and where it is kept is `serve.turns`'.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eval.guard import Held
from nightschool.engine import Delta
from nightschool.records import Finish
from nightschool.tools import CallPiece

LANDING_S: Final = 5.0
"""How long somebody waits for an answer that is about to end."""


@dataclass(slots=True)
class Answering:
    """Filled piece by piece; `finish` stays PARTIAL until the engine says how the answer ended."""

    started_s: float = field(default_factory=time.monotonic)
    pieces: list[str] = field(default_factory=list)
    first_token_s: float | None = None
    finish: Finish = Finish.PARTIAL
    prompt_tokens: int = 0
    completion_tokens: int = 0
    calls: list[CallPiece] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    """What its guard kept back."""
    conversation_id: str = ""
    """Of which it will be a part."""
    is_over: bool = False
    """Nothing more will come: from here on only the record is written, which must not be cut off."""

    def note(self, delta: Delta) -> None:
        if delta.text:
            if self.first_token_s is None:
                self.first_token_s = self.duration_s
            self.pieces.append(delta.text)
        self.calls.extend(delta.calls)
        if delta.finish is not None:
            self.finish = delta.finish
            self.prompt_tokens, self.completion_tokens = delta.prompt_tokens, delta.completion_tokens

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def duration_s(self) -> float:
        return time.monotonic() - self.started_s

    @property
    def last_delta(self) -> Delta:
        return Delta("", self.finish, self.prompt_tokens, self.completion_tokens)

    def end(self, task: asyncio.Task[Delta]) -> None:
        """Have the engine say no more, once; a `task` that is past that and records already is left alone."""
        if not self.is_over:
            self.is_over = True
            task.cancel()


async def end_all(running: Mapping[asyncio.Task[Delta], Answering], *, grace_s: float) -> None:
    """Returns once none is left: those that take longer than `grace_s` end as partial. `running` loses what is done."""
    if running:
        await asyncio.wait(set(running), timeout=grace_s)
    late = dict(running)
    for task, answering in late.items():
        answering.end(task)
    if late:
        await asyncio.wait(set(late))


async def wait_for_those(running: Mapping[asyncio.Task[Delta], Answering], *, conversation_id: str) -> None:
    """Until none of a conversation is left, or `LANDING_S` is over."""
    tasks = [task for task, answering in running.items() if answering.conversation_id == conversation_id]
    if tasks:
        await asyncio.wait(tasks, timeout=LANDING_S)
