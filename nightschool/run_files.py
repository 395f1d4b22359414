"""The names in a run's folder on which the trainer that writes them and the night that reads them agree."""

from pathlib import Path
from typing import Final

DONE: Final = "DONE"
"""Stands last, when all else is whole; holds the adapter's content hash."""
ADAPTER: Final = "adapter"
"""Published: weights, configuration and card; nothing that a person wrote, since people copy and share it."""
PROOF: Final = "proof.json"
"""Beside the adapter: a few training texts as token ids, with their log-probabilities under base and adapter."""


def scaled_run(run: Path, scale: float) -> Path:
    """Where a part of what a run learnt lies, as adapter and proof."""
    return run / f"scaled-{scale:g}"
