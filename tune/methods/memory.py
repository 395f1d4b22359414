"""Compute fewer rows at once where memory proves short, instead of failing for it.

Linux may kill a process instead of telling it; then nothing here is asked (`deploy.training` says so). Does not know
what is computed.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from nightschool.errors import TrainingFailed

log = logging.getLogger(__name__)

T = TypeVar("T")


class Appetite:
    """How many rows a stage computes at once; halved for good whenever that was too many."""

    def __init__(self, rows_at_once: int) -> None:
        self.rows_at_once = rows_at_once
        self.remarks: list[str] = []
        """What was changed, in words."""

    def feed(self, compute: Callable[[int], T], *, where: str) -> T:
        """What `compute` makes of the number of rows at once; it must be able to begin anew. Raises TrainingFailed."""
        while True:
            try:
                return compute(self.rows_at_once)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out here nothing holds the tensors of the failed try any more.
            self._halve(where)

    def _halve(self, where: str) -> None:
        if self.rows_at_once == 1:
            raise TrainingFailed(
                f"has too little memory for one row at {where}",
                subject="the training",
                remedy="Lower recipe.max_tokens, or train where there is more memory.",
            )
        before, self.rows_at_once = self.rows_at_once, self.rows_at_once // 2
        self.remarks.append(f"out of memory at {where}, so {self.rows_at_once} rows at once instead of {before}")
        log.warning("%s", self.remarks[-1])
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def is_out_of_memory(error: Exception) -> bool:
    """Whether torch or Python got no memory: on a CPU torch has no type for it, and says so in words."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
