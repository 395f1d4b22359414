"""The names in a run's folder on which the trainer that writes them and the night that reads them agree."""

from typing import Final

DONE: Final = "DONE"
"""Stands last, when all else is whole; holds the adapter's content hash."""
ADAPTER: Final = "adapter"
"""Published: weights, configuration, card and proof."""
PROOF: Final = "proof.json"
"""In the adapter's folder: a few texts as token ids, with their log-probabilities under base and adapter."""
