"""Several processes that train together, one for each GPU: each computes its share of a step's rows.

`accelerate launch` starts them and tells each by environment variables who it is. Those are taken away once they are
read, so that transformers' trainer works in each as if it were alone: with the same weights, rows and steps. Nothing is
split but a step's rows, and nothing exchanged but what is asked for here: gradients, before the optimizer's step, and
what was measured. So all members have the same weights behind each step. Only the first one writes.
A member that fails or is killed ends all: the launcher sees to the others, and none outlives the launcher.
Imports torch only where there are several. Does not know what is computed.
"""

import ctypes
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast

from nightschool.errors import InvalidInput, TrainingFailed

log = logging.getLogger(__name__)

T = TypeVar("T")

VISIBLE: Final = "CUDA_VISIBLE_DEVICES"
PR_SET_PDEATHSIG: Final = 1
AUTOGROUP: Final = Path("/proc/self/autogroup")
PATIENCE: Final = timedelta(days=30)
"""How long members wait for one another: for a slow one without end, since of one that is gone the launcher knows."""


class Seat(NamedTuple):
    """A process's place among those that were launched with it."""

    number: int = 0
    size: int = 1
    on_machine: int = 0
    """Its number on its machine, which is that of its card."""


def take_seat(environment: MutableMapping[str, str]) -> Seat:
    """What the launcher wrote into `environment` is taken out, and one card is left visible.

    Raises InvalidInput where there are fewer cards than processes.
    """
    size = int(environment.pop("WORLD_SIZE", "1"))
    seat = Seat(int(environment.pop("RANK", "0")), size, int(environment.pop("LOCAL_RANK", "0")))
    environment.pop("LOCAL_WORLD_SIZE", None)
    if VISIBLE not in environment:
        environment[VISIBLE] = str(seat.on_machine)
    elif cards := environment[VISIBLE].split(",")[seat.on_machine : seat.on_machine + 1]:
        environment[VISIBLE] = cards[0]
    else:
        raise InvalidInput(
            f"names fewer cards than there are processes, {seat.on_machine + 1} or more",
            subject=f"{VISIBLE}={environment[VISIBLE]}",
            remedy="Launch one process for each card.",
        )
    return seat


def follow_launcher() -> None:
    """End when the launcher does, and be as patient: each process has a session of its own."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # Where each session is scheduled as a whole, a nice value counts inside it only (see `nightschool.warden`).
    with suppress(OSError):
        AUTOGROUP.write_text(str(os.getpriority(os.PRIO_PROCESS, 0)), encoding="utf-8")


class Team:
    """What one member knows of it: its own number, from 0, and how many there are."""

    def __init__(self, number: int = 0, size: int = 1) -> None:
        self._number, self._size = number, size

    @property
    def is_first(self) -> bool:
        return self._number == 0

    def own_share(self, sizes: Sequence[int]) -> list[int]:
        """The positions that are this member's: each is one member's, and all have about as much to do."""
        loads = [0] * self._size
        own: list[int] = []
        for position in sorted(range(len(sizes)), key=lambda at: (-sizes[at], at)):
            lightest = loads.index(min(loads))
            loads[lightest] += sizes[position]
            if lightest == self._number:
                own.append(position)
        return sorted(own)

    def gather(self, compute: Callable[[], T]) -> list[T]:
        """What each member makes of `compute`, in their order.

        Raises TrainingFailed in all of them where it did in one, so that all give up the same.
        """
        if self._size == 1:
            return [compute()]
        made: Any = None
        failure: tuple[str, str, str] | None = None
        try:
            made = compute()
        except TrainingFailed as error:
            failure = (error.problem, error.subject, error.remedy)
        told = self._exchange((made, failure))
        for _, other in told:
            if other:
                problem, subject, remedy = other
                raise TrainingFailed(problem, subject=subject, remedy=remedy)
        return [each for each, _ in told]

    def by_first(self, compute: Callable[[], T]) -> T:
        """What the first member makes of `compute`, while the others wait. Raises as `gather` does."""
        made: Any = self.gather(lambda: compute() if self.is_first else None)[0]
        return cast(T, made)

    def of_first(self, value: T) -> T:
        """The first member's: what its clock says, or a file that it alone writes."""
        return self._exchange(value)[0]

    def wait(self) -> None:
        """Until all have come here."""
        self._exchange(None)

    def sum_gradients(self, parameters: Iterable[Any]) -> None:
        """Give each parameter that learns the sum of what the members computed for it; none counts as zero."""
        if self._size == 1:
            return
        import torch  # noqa: PLC0415
        from torch.distributed import all_reduce  # noqa: PLC0415

        for parameter in parameters:
            if parameter.requires_grad:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                all_reduce(parameter.grad)

    def _exchange(self, value: T) -> list[T]:
        if self._size == 1:
            return [value]
        from torch.distributed import all_gather_object  # noqa: PLC0415

        told: list[Any] = [None] * self._size
        all_gather_object(told, value)
        return told


@contextmanager
def join(seat: Seat, *, device: str) -> Iterator[Team]:
    """The team, once all its members are there."""
    if seat.size == 1:
        yield Team()
        return
    from torch import distributed  # noqa: PLC0415

    # What is exchanged apart from gradients lies in no card's memory.
    backend = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
    distributed.init_process_group(backend, rank=seat.number, world_size=seat.size, timeout=PATIENCE)
    log.info("process %d of %d", seat.number + 1, seat.size)
    yield Team(seat.number, seat.size)
    distributed.destroy_process_group()
