"""Look for personal data from a server: in a child process, so that nobody else waits while a text is read.

The child has the model, begins with the first question and ends with its pipe: when we close it or die, also by kill
-9. Where it dies or a text holds it up, what was asked fails and the next question begins another; who asked must not
keep the text then. Nothing of a text is logged. Does not know what becomes of what is found.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final

from pydantic import TypeAdapter

from nightschool.errors import Unavailable
from nightschool.pii.spans import Span

COMMAND: Final = (sys.executable, "-m", "nightschool.pii.worker")
TEXTS_AT_ONCE: Final = 32
"""So few that an import holds no chat up."""
DEADLINE_S: Final = 60.0
START_S: Final = 600.0
"""For the first question, which waits for the child and its model: on a busy machine a minute."""
REPLY_BYTES: Final = 1 << 24
"""Longer lines are nobody's reply."""
REPLY: Final = TypeAdapter(list[list[Span]])


class Reader:
    """Made by `open_reader`."""

    def __init__(self, command: Sequence[str], *, deadline_s: float, start_s: float) -> None:
        self._command = command
        self._deadline_s = deadline_s
        self._start_s = start_s
        self._loaded: set[bool] = set()
        self._child: asyncio.subprocess.Process | None = None
        # Guards the pipe: a reply is that to the oldest question without one.
        self._asking = asyncio.Lock()
        self._owed = 0

    async def find(self, texts: Sequence[str], *, names: bool) -> list[list[Span]]:
        """For each text, in its order and none over another; `names` finds people's names too.

        Raises Unavailable where the child cannot be asked.
        """
        found: list[list[Span]] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[start : start + TEXTS_AT_ONCE]
            async with self._asking:
                found += await self._ask(some, names=names)
        return found

    async def _ask(self, texts: Sequence[str], *, names: bool) -> list[list[Span]]:
        try:
            child = await self._running()
            assert child.stdin is not None
            async with asyncio.timeout(self._deadline_s if names in self._loaded else self._start_s):
                child.stdin.write(f"{json.dumps({'names': names, 'texts': list(texts)})}\n".encode())
                self._owed += 1
                await child.stdin.drain()
                found = REPLY.validate_json(await self._reply(child))
                if len(found) != len(texts):
                    raise ValueError("that is the reply to something else")
                self._loaded.add(names)
                return found
        except (TimeoutError, OSError, ValueError) as error:
            await self.end()
            # Without its cause, which may quote a text.
            raise Unavailable(
                f"could not be looked for ({type(error).__name__})",
                subject="personal data",
                remedy="Nothing was kept; try again. `nightschool doctor` says whether the packages are there.",
            ) from None

    async def _reply(self, child: asyncio.subprocess.Process) -> bytes:
        """To the newest question; those of callers who were cancelled come before it."""
        assert child.stdout is not None
        while True:
            line = await child.stdout.readline()
            self._owed -= 1
            if not self._owed or not line:
                return line

    async def _running(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is None:
            return self._child
        self._owed = 0
        self._loaded.clear()
        self._child = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=REPLY_BYTES
        )
        return self._child

    async def end(self) -> None:
        """The child ends now; a next question begins another."""
        if self._child is not None:
            child, self._child = self._child, None
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()


@asynccontextmanager
async def open_reader(
    command: Sequence[str] = COMMAND, *, deadline_s: float = DEADLINE_S, start_s: float = START_S
) -> AsyncIterator[Reader]:
    """For the length of the block; no child begins before something is asked. `start_s` is the deadline of the first
    question to each child, which loads what it needs then."""
    reader = Reader(command, deadline_s=deadline_s, start_s=start_s)
    try:
        yield reader
    finally:
        await reader.end()
