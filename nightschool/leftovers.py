"""Find and end what outlived its warden: processes of a mark's session and group, and of nobody else's.

A warden leaves a mark beside its child's log for as long as the child lives. A mark that is still there when the warden
is gone names the rest: the number of a session or a group is not given away while one of its processes lives, and both
together with a warden that is not there cannot be anybody else's.
"""

import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
PROC: Final = Path("/proc")
PASSES: Final = 20
"""One may fork while it is looked for, and a process takes a moment to die."""
PAUSE_S: Final = 0.02


class _Stat(NamedTuple):
    """Of /proc/PID/stat."""

    pid: int
    state: str
    group: int
    session: int
    started: int
    """In ticks since the boot; with the pid it names a process for good."""


def write_mark(mark: Path, *, warden: int, child: int) -> None:
    """Note who guards whom. The warden leads its session, the child its group."""
    itself = _read_stat(warden)
    started = itself.started if itself else 0
    mark.write_text(f"{_boot_id()} {warden} {started} {child}\n", encoding="utf-8")


def read_child(mark: Path) -> int | None:
    """The pid of the child that is guarded; None where there is none."""
    with suppress(FileNotFoundError, ValueError, IndexError):
        return int(mark.read_text(encoding="utf-8").split()[3])
    return None


def end_leftovers(mark: Path) -> int:
    """Kill what a warden that is gone left running; how many those were. The mark goes too."""
    with suppress(FileNotFoundError, ValueError):
        words = mark.read_text(encoding="utf-8").split()
        mark.unlink()
        # Of a boot before this one: nobody of it is left.
        if len(words) == 4 and words[0] == _boot_id():
            return _end_all(warden=int(words[1]), started=int(words[2]), group=int(words[3]))
    return 0


def _end_all(*, warden: int, started: int, group: int) -> int:
    leader = _read_stat(warden)
    if leader and leader.state != "Z":
        if leader.started != started:
            return 0  # another process has the number now, so nobody of ours is left
        # A former server's warden that has not noticed yet, or hangs: it would end the same group.
        os.kill(warden, signal.SIGKILL)
    ended: set[int] = set()
    for _ in range(PASSES):
        alive = [p.pid for p in _processes() if p.session == warden and p.group == group and p.state != "Z"]
        if not alive:
            break
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ended.update(alive)
        time.sleep(PAUSE_S)
    if ended:
        log.warning("ended %d processes that had outlived their warden, pid %d", len(ended), warden)
    return len(ended)


def _processes() -> Iterator[_Stat]:
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and (found := _read_stat(int(entry.name))):
            yield found


def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="utf-8").strip()


def _read_stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return _Stat(pid, fields[0], int(fields[2]), int(fields[3]), int(fields[19]))
