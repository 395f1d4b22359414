"""Whether the kernel says that it killed something for want of memory: a signal 9 alone may be anybody's."""

from pathlib import Path
from typing import Final

ROOT: Final = Path("/")


def count_memory_kills(root: Path = ROOT) -> int | None:
    """Processes killed for memory so far: of this process's control group where that counts, else of the machine.

    None where the kernel does not say.
    """
    for file, key in ((_group_events(root), "oom_kill"), (root / "proc/vmstat", "oom_kill")):
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                name, _, value = line.partition(" ")
                if name == key:
                    return int(value)
    return None


def _group_events(root: Path) -> Path:
    membership = root / "proc/self/cgroup"
    lines = membership.read_text(encoding="utf-8").splitlines() if membership.exists() else []
    # `0::/path` is the one line of version 2; version 1 counts elsewhere.
    path = next((line[len("0::/") :] for line in lines if line.startswith("0::/")), "")
    return root / "sys/fs/cgroup" / path / "memory.events"
