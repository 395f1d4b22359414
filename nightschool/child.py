"""Child processes that cannot outlive us: each runs under a warden, in a group of its own, its output in a file.

The warden (`nightschool.warden`) holds our pipe; when we close it or die, also by kill -9, it ends the whole group.
PR_SET_PDEATHSIG would not do: grandchildren do not inherit it, and vLLM's engine is one.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

WARDEN = "nightschool.warden"


@dataclass(frozen=True, slots=True)
class Child:
    """A running child. `log` holds what it printed."""

    process: asyncio.subprocess.Process
    log: Path

    async def wait(self, *, timeout_s: float | None = None) -> int:
        """The child's exit code, negative for a signal. Raises TimeoutError; the child then still runs."""
        async with asyncio.timeout(timeout_s):
            code = await self.process.wait()
        return code if code < 128 else 128 - code

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None

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
    background: bool = False,
) -> AsyncIterator[Child]:
    """Run `command` for the length of the block; at its end the group gets SIGTERM, and after `grace_s` SIGKILL.

    `background` lowers its priority below everything interactive and makes it the first to go when memory is short.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    options = ["--grace-s", str(grace_s), *(["--background"] if background else [])]
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", WARDEN, *options, "--", *command,
            stdin=asyncio.subprocess.PIPE, stdout=output, stderr=output, start_new_session=True,
            env=dict(environment if environment is not None else os.environ),
        )  # fmt: skip
    try:
        yield Child(process, log)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await asyncio.shield(process.wait())
