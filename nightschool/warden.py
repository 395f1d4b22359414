"""Stand between a parent and a child: when the parent's pipe closes, end the child's whole group.

Knows nothing of what it guards. Exits with the child's code, 128 + n for signal n.
Run: python -m nightschool.warden [--grace-s S] [--background] -- COMMAND...
"""

import argparse
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="nightschool.warden")
    parser.add_argument("--grace-s", type=float, default=5.0)
    parser.add_argument("--background", action="store_true")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    # A signal to the terminal's group is the parent's to interpret; ours is the pipe. Handlers that do nothing,
    # since an ignored signal would stay ignored in the child.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    child = subprocess.Popen(options.command, stdin=subprocess.DEVNULL, process_group=0)
    if options.background:
        _yield_to_others(child.pid)
    while child.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno(), wake_read], [], [])
        if wake_read in readable:
            os.read(wake_read, 4096)
        if sys.stdin.fileno() in readable and not os.read(sys.stdin.fileno(), 4096):
            break
    _end_group(child, grace_s=options.grace_s)
    code = child.returncode
    return code if code >= 0 else 128 - code


def _yield_to_others(pid: int) -> None:
    # Best effort: each file is missing on some kernels, and none is needed for a right result.
    for path, value in ((f"/proc/{pid}/oom_score_adj", "800"), (f"/proc/{pid}/autogroup", "19")):
        try:
            Path(path).write_text(value)
        except OSError:
            continue
    os.setpriority(os.PRIO_PROCESS, pid, 19)


def _end_group(child: subprocess.Popen[bytes], *, grace_s: float) -> None:
    """SIGTERM to whatever is left of the group, SIGKILL after the grace, then reap."""
    deadline = time.monotonic() + grace_s
    try:
        os.killpg(child.pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            child.poll()
            os.killpg(child.pid, 0)
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


if __name__ == "__main__":
    sys.exit(main())
