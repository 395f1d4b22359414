"""Stand between a parent and a child: when the parent's pipe closes, end the child's whole group.

Knows nothing of what it guards. Ends as the child ended: with its exit code, or by its signal. Killed itself, it takes
the child along (PR_SET_PDEATHSIG); what is left of the group is for whoever finds the mark (`nightschool.leftovers`).
Run: python -m nightschool.warden --mark FILE [--grace-s S] [--niceness N] [--memory-bytes N] -- COMMAND...
"""

import argparse
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from nightschool.leftovers import write_mark

PR_SET_PDEATHSIG: Final = 1
FIRST_TO_GO: Final = "800"
"""Of 1000: when memory is short, the kernel takes a background child before everything else."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="nightschool.warden")
    parser.add_argument("--mark", type=Path, required=True)
    parser.add_argument("--grace-s", type=float, default=5.0)
    parser.add_argument("--niceness", type=int)
    parser.add_argument("--memory-bytes", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    # A signal to the terminal's group is the parent's to interpret; ours is the pipe. Handlers that do nothing,
    # since an ignored signal would stay ignored in the child.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    # Safe here: this process has one thread. Death signals are tied to the thread that forks, which is this one.
    child = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=_before_exec(niceness=options.niceness, memory_bytes=options.memory_bytes),  # noqa: PLW1509
    )
    with suppress(OSError):  # a full disk takes the mark and nothing else
        write_mark(options.mark, warden=os.getpid(), child=child.pid)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            break
    _end_group(child, grace_s=options.grace_s)
    options.mark.unlink(missing_ok=True)
    return _end_like(child.returncode)


def _before_exec(*, niceness: int | None, memory_bytes: int | None) -> Callable[[], None]:
    """What the child does to itself first, so that whatever it starts has it from the beginning."""
    libc = ctypes.CDLL(None, use_errno=True)
    warden = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(1)  # the warden died before it was heard
        if memory_bytes is not None:
            # What it allocates; files that it only reads, as weights are, are not counted.
            resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
        if niceness is not None:
            # Never below our own: that would take privileges, and whoever started us nicely meant it.
            os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
            # Each session is scheduled as a whole, so a nice value alone would count inside ours only. Best effort:
            # the files are missing on some kernels, and neither is needed for a right result.
            for path, value in (("/proc/self/oom_score_adj", FIRST_TO_GO), ("/proc/self/autogroup", str(niceness))):
                with suppress(OSError):
                    Path(path).write_text(value, encoding="utf-8")

    return prepare


def _end_group(child: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """SIGTERM to whatever is left of the group, SIGKILL after the grace, then reap."""
    deadline = time.monotonic() + grace_s
    try:
        os.killpg(child.pid, signal.SIGTERM)
        os.killpg(child.pid, signal.SIGCONT)  # one that was stopped hears it then
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def _end_like(code: int) -> int:
    """The exit code, where there is one; else die by the same signal: 128 + n would be an exit code like any other."""
    if code >= 0:
        return code
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    return 128 - code


if __name__ == "__main__":
    sys.exit(main())
