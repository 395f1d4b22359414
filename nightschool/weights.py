"""What a version's folder holds: an adapter over the base model, or a whole model, which may be one that answers alone.
Reads no weights."""

from pathlib import Path
from typing import Final

MODEL_CONFIG: Final = "config.json"
"""Lies in a whole model's folder; an adapter has `adapter_config.json`."""

ALONE: Final = "alone"
"""Lies beside the weights of a whole model that has the engine to itself while it answers."""


def is_whole(folder: Path) -> bool:
    """Whether the weights stand by themselves, without the base model's."""
    return (folder / MODEL_CONFIG).exists()


def is_alone(folder: Path) -> bool:
    """Whether it is a whole model that is served in the base model's place, not beside it."""
    return (folder / ALONE).exists()


def weights_bytes(folder: Path) -> int:
    """Of the weights as they lie."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
