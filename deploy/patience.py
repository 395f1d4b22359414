"""How long a training lets everybody else go first: not for ever, and less so the nearer its deadline is.

A trainer begins at the lowest priority, which beside a machine that is always busy is next to nothing. One that waited
for a processor most of the time is started again, from its last checkpoint, at the next priority; so is one that had to
give up steps for its deadline and waited for a good part. A process without privileges cannot raise another's priority,
nor its own. Pure, but for reading what the kernel counts.
"""

from pathlib import Path
from typing import Final, NamedTuple, Self

NICENESS: Final = (19, 10, 0)
"""What is tried in turn; 0 is everybody's."""
STARVED_SHARE: Final = 0.8
"""Of the time in which it could have run, spent waiting for a processor."""
HELD_UP_SHARE: Final = 0.25
"""The same, for one that will not take all its steps by its deadline."""
LEFT_SHARE: Final = 0.15
"""Of the time to its deadline."""
WANTED_SHARE: Final = 0.1
"""Of the window, in which it wanted one at all: who reads from a slow disk does not starve for processors."""
NS: Final = 1e9


class Sample(NamedTuple):
    """What the kernel counts for a process, in seconds since its start."""

    at_s: float
    ran_s: float
    waited_s: float
    """Ready to run, and another one ran."""


class Windows(NamedTuple):
    """How long a trainer is watched before it is started again."""

    starving_s: float = 1800.0
    late_s: float = 120.0
    """Where it gave up steps. A start costs about half of it."""

    def within(self, left_s: float) -> Self:
        """For a training that is to be done in `left_s`: one that starves is not left to do so for most of it."""
        return self._replace(starving_s=min(self.starving_s, max(self.late_s, left_s * LEFT_SHARE)))


class Patience:
    """With one start of a trainer."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        self._first: Sample | None = None

    def ends_with(self, sample: Sample, *, cut_steps: int) -> bool:
        """Whether it waited too long by now; `cut_steps` are those for which its deadline leaves no time."""
        first = self._first = self._first or sample
        seen_s = sample.at_s - first.at_s
        if cut_steps and seen_s >= self._windows.late_s and has_waited(first, sample, share=HELD_UP_SHARE):
            return True
        if seen_s < self._windows.starving_s:
            return False
        self._first = sample
        return has_waited(first, sample, share=STARVED_SHARE)


def has_waited(first: Sample, last: Sample, *, share: float) -> bool:
    """Whether the process waited for more than `share` of the time between the two in which it could have run."""
    waited_s, ran_s = last.waited_s - first.waited_s, last.ran_s - first.ran_s
    wanted_s = waited_s + ran_s
    return wanted_s > WANTED_SHARE * (last.at_s - first.at_s) and waited_s > share * wanted_s


def read_sample(pid: int, *, at_s: float) -> Sample | None:
    """Of the process and its children, since a launcher only waits; None where none is left or the kernel is silent."""
    counted = [found for each in (pid, *_children(pid)) if (found := _read_schedule(each))]
    if not counted:
        return None
    return Sample(at_s, sum(ran for ran, _ in counted) / NS, sum(waited for _, waited in counted) / NS)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read_schedule(pid: int) -> tuple[int, int] | None:
    """Nanoseconds that the process ran and that it waited."""
    try:
        ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return int(ran), int(waited)
