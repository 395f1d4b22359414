"""What a dataset of JSON lines, as version 0.1 wrote it, still tells: which rows and conversations an adapter learnt.

Such a dataset is neither trained on nor examined on any more, but what production learnt from it must stay out of the
exam, and is nothing new. Does not know the present form.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

TRAIN: Final = "sft_train.jsonl"
ITEMS: Final = "items.jsonl"


def is_older(folder: Path) -> bool:
    """Whether the folder holds a dataset of JSON lines."""
    return (folder / TRAIN).exists()


def read_older_items(folder: Path) -> frozenset[str]:
    """Ids of the training rows."""
    lines = _lines(folder / ITEMS)
    return frozenset(line["item_id"] for line in lines if (line["kind"], line["side"]) == ("sft", "train"))


def read_older_trained(folder: Path) -> frozenset[str]:
    """Conversations of the training rows."""
    return frozenset(line["conversation_id"] for line in _lines(folder / TRAIN))


def _lines(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)
