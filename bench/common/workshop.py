"""A folder to measure trainings in, and the base model that they begin with."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tune.base_model import prepare_base_model


class Workshop(NamedTuple):
    folder: Path
    model: str
    """Folder of the base model."""


@contextmanager
def open_workshop(*, model: Path | None, keep: Path | None = None) -> Iterator[Workshop]:
    """`keep` is worked in and left; without it the folder is gone afterwards. Without `model` the default is made."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as temp:
        folder = keep or Path(temp)
        folder.mkdir(parents=True, exist_ok=True)
        yield Workshop(folder, str(model or prepare_base_model(folder / "model", say=lambda _: None)))
