"""Which rows meet in which step, and which of a step's rows are computed at once: by length, so that little is padded.

Pure functions of lengths and a seed. Does not know what is computed.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WINDOW_STEPS: Final = 8
"""Rows are sorted by length within windows of so many steps: like lengths share a step, epochs stay mixed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of every step, by position, in order."""

    order: tuple[int, ...]
    steps: int
    rows_per_epoch: int


def plan_order(lengths: Sequence[int], *, epochs: float, batch_size: int, seed: int) -> Plan:
    """Every row once an epoch, shuffled; sorted by length within windows, whose batches are shuffled again."""
    dice = random.Random(seed)
    wanted = max(1, round(len(lengths) * epochs))
    stream: list[int] = []
    while len(stream) < wanted:
        stream += dice.sample(range(len(lengths)), len(lengths))
    order: list[int] = []
    window = batch_size * WINDOW_STEPS
    for start in range(0, wanted, window):
        rows = sorted(stream[start : min(start + window, wanted)], key=lambda row: lengths[row])
        batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
        # A last batch that is not full must stay last, or every later step would be cut elsewhere.
        ending = batches.pop() if len(batches[-1]) < batch_size else []
        dice.shuffle(batches)
        order += [row for batch in [*batches, ending] for row in batch]
    return Plan(tuple(order), math.ceil(wanted / batch_size), len(lengths))


def cut_by_length(
    lengths: Sequence[int], *, rows_at_once: int, tokens_at_once: int | None, shared_tokens: int = 0
) -> Iterator[list[int]]:
    """Positions of the rows in micro-batches, the shortest rows first; a row longer than the budget stands alone.

    `tokens_at_once` counts padding, and the `shared_tokens` at the rows' beginning once.
    """
    batch: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        tokens = shared_tokens + (lengths[row] - shared_tokens) * (len(batch) + 1)
        is_heavy = tokens_at_once is not None and tokens > tokens_at_once
        if batch and (is_heavy or len(batch) == rows_at_once):
            yield batch
            batch = []
        batch.append(row)
    yield batch
