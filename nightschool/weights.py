"""What a version's folder holds: an adapter over the base model, or a whole model. Reads no weights."""

from pathlib import Path
from typing import Final

MODEL_CONFIG: Final = "config.json"
"""Lies in a whole model's folder; an adapter has `adapter_config.json`."""


def is_whole(folder: Path) -> bool:
    """Whether the weights stand by themselves, without the base model's."""
    return (folder / MODEL_CONFIG).exists()


def weights_bytes(folder: Path) -> int:
    """Of the weights as they lie."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
