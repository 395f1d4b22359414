"""Which rows meet in which step, and which of a step's rows are computed at once: by length, so that little is padded.

Pure functions of lengths and a seed. Does not know what is computed.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

WINDOW_STEPS: Final = 8
"""Rows are sorted by length within windows of so many steps: like lengths share a step, an epoch stays mixed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rows of every step, by position, in order."""

    order: tuple[int, ...]
    steps: int
    rows_per_epoch: int
    batch_size: int
    """Rows of a step, the last one apart: as many as were asked for, or all rows where there are fewer."""


def plan_order(lengths: Sequence[int], *, epochs: float, batch_size: int, seed: int) -> Plan:
    """Every row once before any comes again, and no step with a row twice, for 5 rows as for 5,000.

    Each epoch is shuffled, then sorted by length within windows, whose batches are shuffled again.
    """
    dice = random.Random(seed)
    count = len(lengths)
    batch_size = min(batch_size, count)
    wanted = max(1, round(count * epochs))
    order: list[int] = []
    while len(order) < wanted:
        rows = dice.sample(range(count), count)[: wanted - len(order)]
        order += _fill(order, rows, batch_size)
        order += _by_windows(rows, lengths, batch_size=batch_size, dice=dice)
    return Plan(tuple(order), math.ceil(wanted / batch_size), count, batch_size)


def pass_ends(plan: Plan) -> frozenset[int]:
    """The steps by which a pass over the rows is complete, and the last one."""
    passes = plan.steps * plan.batch_size // plan.rows_per_epoch
    ends = (math.ceil(number * plan.rows_per_epoch / plan.batch_size) for number in range(1, passes + 1))
    return frozenset({*ends, plan.steps})


def _fill(order: Sequence[int], rows: list[int], batch_size: int) -> list[int]:
    """Take from `rows` what fills the step that the last epoch began, and none that this step holds already."""
    begun = set(order[len(order) - len(order) % batch_size :])
    filling = [row for row in rows if row not in begun][: batch_size - len(begun)] if begun else []
    taken = set(filling)
    rows[:] = [row for row in rows if row not in taken]
    return filling


def _by_windows(rows: Sequence[int], lengths: Sequence[int], *, batch_size: int, dice: random.Random) -> list[int]:
    # What fills no step stays last, unsorted, or every later step would be cut elsewhere.
    whole = len(rows) - len(rows) % batch_size
    order: list[int] = []
    for start in range(0, whole, batch_size * WINDOW_STEPS):
        window = sorted(rows[start : min(start + batch_size * WINDOW_STEPS, whole)], key=lambda row: lengths[row])
        batches = [window[at : at + batch_size] for at in range(0, len(window), batch_size)]
        dice.shuffle(batches)
        order += [row for batch in batches for row in batch]
    return [*order, *rows[whole:]]


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
