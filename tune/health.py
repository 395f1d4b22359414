"""Tell from its losses that a training goes wrong, so that it is ended in words and not at dawn.

Pure. Does not know what is trained, nor what to do about it.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

FIRST: Final = 5
"""So many first steps say where a stage began."""
PATIENCE: Final = 20
"""So many steps in a row must lie far above that; a few hard batches do not."""
RATIO: Final = 1.5
MARGIN: Final = 0.5
"""Nats; so that a loss that began near 0 is not far above it at once."""


def find_trouble(losses: Sequence[float], *, gradient: float) -> str | None:
    """What is wrong after the last of the stage's `losses`, given the norm of its gradient; None where nothing is."""
    if not (math.isfinite(losses[-1]) and math.isfinite(gradient)):
        return f"loss {losses[-1]} and gradient {gradient} at step {len(losses)}"
    if len(losses) < FIRST + PATIENCE:
        return None
    began, latest = fmean(losses[:FIRST]), losses[-PATIENCE:]
    if min(latest) <= began * RATIO + MARGIN:
        return None
    return f"it diverges: the loss began at {began:.3g} and was {min(latest):.3g} or more in the last {PATIENCE} steps"
