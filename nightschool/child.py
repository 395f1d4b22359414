"""Child processes that do not outlive us: each runs under a warden, in a group of its own, its output in a file.

The warden (`nightschool.warden`) holds our pipe; when we close it or die, also by kill -9, it ends the whole group.
When the warden is killed, the kernel ends the child and we end the rest of its group; when both of us are, the next run
with the same log does.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nightschool.leftovers import end_leftovers, read_child
from nightschool.memory import count_memory_kills

WARDEN: Final = "nightschool.warden"
KILLED_BELOW: Final = re.compile(r"^ *exitcode *: -9 ", re.MULTILINE)
"""How torch's launcher, which itself ends with code 1, tells in the log that one of its processes was killed."""
LAUNCHER_LINES: Final = 200
"""It tells of each process, so many GPUs are many lines."""
CALM_THREADS: Final = {"GOMP_SPINCOUNT": "1000"}
"""For a child that computes beside an engine: its threads stay awake for a moment only while they wait for one another.

GNU's OpenMP, which PyTorch's wheels bring, reads it; `bench/threads.py` measures it beside other ways."""
LOG_BYTES: Final = 10_000_000
"""A log of more than this is put aside when its child is started again; the one put aside before goes."""


@dataclass(frozen=True, slots=True)
class Child:
    """A running child. `log` holds what it printed."""

    process: asyncio.subprocess.Process
    log: Path
    mark: Path
    memory_kills_before: int | None

    async def wait(self, *, timeout_s: float | None = None) -> int:
        """The child's exit code, negative for a signal. Raises TimeoutError; the child then still runs."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

    @property
    def pid(self) -> int | None:
        """Of the child itself; None before it runs and when it has ended."""
        return read_child(self.mark)

    def was_killed_for_memory(self) -> bool:
        """Whether it, or one that it launched, died by signal 9 and the kernel counts a process that it killed for
        memory since the start."""
        before, after = self.memory_kills_before, count_memory_kills()
        return None not in (before, after) and before != after and self._was_killed()

    def _was_killed(self) -> bool:
        """By signal 9: itself, or one below it, of which a shell tells by its code and torch's launcher in the log."""
        code = self.process.returncode
        if code in {-signal.SIGKILL, 128 + signal.SIGKILL}:
            return True
        return bool(code) and KILLED_BELOW.search(self.log_tail(LAUNCHER_LINES)) is not None

    def log_tail(self, lines: int = 15) -> str:
        return log_tail(self.log, lines)


def log_tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, for an error message."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 20_000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


@asynccontextmanager
async def run_child(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str] | None = None,
    grace_s: float = 5.0,
    niceness: int | None = None,
    memory_bytes: int | None = None,
) -> AsyncIterator[Child]:
    """Run `command` for the length of the block; at its end the group gets SIGTERM, and after `grace_s` SIGKILL.

    What a former run with the same log left behind is ended first. A `niceness` of 0 to 19 lets others go before, and
    whatever it is makes the child the first to go when memory is short. `memory_bytes` is the most that each of its
    processes gets.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    mark = log.with_suffix(".pid")
    await asyncio.to_thread(_clear_the_way, log, mark)
    options = ["--mark", str(mark), "--grace-s", str(grace_s)]
    options += ["--niceness", str(niceness)] if niceness is not None else []
    options += ["--memory-bytes", str(memory_bytes)] if memory_bytes is not None else []
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", WARDEN, *options, "--", *command,
            stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
            env=dict(environment if environment is not None else os.environ),
        )  # fmt: skip
    try:
        yield Child(process, log, mark, count_memory_kills())
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(_reap(process, mark))


def _clear_the_way(log: Path, mark: Path) -> None:
    end_leftovers(mark)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))


async def _reap(process: asyncio.subprocess.Process, mark: Path) -> None:
    await process.wait()
    # A warden takes its mark away at the end; one that was killed could end nobody.
    await asyncio.to_thread(end_leftovers, mark)
