"""Supervised fine-tuning: the mean negative log-likelihood of a step's answer tokens, each row's by its weight."""

from collections.abc import Sequence

from torch import Tensor

from tune.encode import IGNORED
from tune.lessons import Imitated
from tune.methods.arithmetic import Unit
from tune.methods.frozen import Measure
from tune.methods.steps import Share, StepLoss


class Sft:
    def __init__(self, rows: Sequence[Imitated]) -> None:
        self._rows = rows

    def units(self, rows: Sequence[int]) -> list[Unit]:
        return [(self._rows[number].row,) for number in rows]

    def open_step(self, rows: Sequence[int], _measure: Measure) -> StepLoss:
        step = [self._rows[number] for number in rows]
        tokens = sum(label != IGNORED for given in step for label in given.row.labels)

        def share(at: Sequence[int], found: Tensor) -> Share:
            weights = found.new_tensor([step[number].weight for number in at])
            return Share((weights * found[:, 0]).sum() / tokens)

        return share
