"""Log-likelihoods of any number of rows without gradients, as much memory as there is and by however many processes.

Does not know what they are for, nor which adapter is on the model.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from tune.encode import Encoded
from tune.methods.arithmetic import Arithmetic, Unit
from tune.methods.memory import Appetite
from tune.team import Team

Measure = Callable[[Sequence[Encoded]], Tensor]
"""Negative log-likelihoods of rows (n,), without gradients."""


def measure_together(
    model: Any, rows: Sequence[Encoded], *, arithmetic: Arithmetic, appetite: Appetite, team: Team, where: str
) -> Tensor:
    """The same as `measure_frozen`, by all of a team, with as much memory as there is."""
    own = team.own_share([len(row.input_ids) for row in rows])

    def compute(rows_at_once: int) -> list[float]:
        some = [rows[number] for number in own]
        found = measure_frozen(model, some, arithmetic=arithmetic, rows_at_once=rows_at_once)
        return [float(value) for value in found]

    parts = team.gather(lambda: (own, appetite.feed(compute, where=where) if own else []))
    found = {number: value for numbers, values in parts for number, value in zip(numbers, values, strict=True)}
    return torch.tensor([found[number] for number in range(len(rows))])


def measure_frozen(model: Any, rows: Sequence[Encoded], *, arithmetic: Arithmetic, rows_at_once: int) -> Tensor:
    """Negative log-likelihoods of any number of rows (n,), in their order and without gradients."""
    found: dict[int, Tensor] = {}
    units: list[Unit] = [(row,) for row in rows]
    with torch.no_grad():
        for at in arithmetic.cut(units, rows_at_once=rows_at_once):
            found |= zip(at, arithmetic.measure(model, [rows[number] for number in at]), strict=True)
    return torch.stack([found[number] for number in range(len(rows))])
