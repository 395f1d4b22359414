"""How long a training lets everybody else go first: not for ever.

A trainer begins at the lowest priority, which beside a machine that is always busy is next to nothing. One that waited
for a processor most of the time is started again, from its last checkpoint, at the next priority: a process without
privileges cannot raise another's. Pure, but for reading what the kernel counts.
"""

from pathlib import Path
from typing import Final, NamedTuple

NICENESS: Final = (19, 10, 0)
"""What is tried in turn; 0 is everybody's."""
WINDOW_S: Final = 1800.0
STARVED_SHARE: Final = 0.8
"""Of the time in which it could have run, spent waiting for a processor."""
WANTED_SHARE: Final = 0.1
"""Of the window, in which it wanted one at all: who reads from a slow disk does not starve for processors."""
NS: Final = 1e9


class Sample(NamedTuple):
    """What the kernel counts for a process, in seconds since its start."""

    at_s: float
    ran_s: float
    waited_s: float
    """Ready to run, and another one ran."""


def is_starving(first: Sample, last: Sample) -> bool:
    """Whether the process waited for most of the time between the two, which are a window apart."""
    waited_s, ran_s = last.waited_s - first.waited_s, last.ran_s - first.ran_s
    wanted_s = waited_s + ran_s
    return wanted_s > WANTED_SHARE * (last.at_s - first.at_s) and waited_s > STARVED_SHARE * wanted_s


def read_sample(pid: int, *, at_s: float) -> Sample | None:
    """None where the process has ended or the kernel does not count."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return Sample(at_s, int(ran) / NS, int(waited) / NS)
