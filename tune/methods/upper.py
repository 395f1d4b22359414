"""Log-likelihoods from what the frozen lower half of a model makes of a row, which is computed once in a row's life.

The lower half has no adapter, so its output is a constant of row and base model: kept on disk, it serves the next
epoch, the next method and the next night. A row is taken through the lower half alone, so that what is kept depends on
nothing but itself and a run repeats bit for bit, whatever was kept before. Does not know how rows are laid side by side
(`tune.methods.arithmetic`).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

import torch
import transformers
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from tune.encode import Encoded
from tune.learner import LearningModel
from tune.methods.arithmetic import Named, Unit
from tune.methods.halves import Halves
from tune.methods.shelf import Shelf

FOLDER: Final = "states"


class Upper:
    """Another arithmetic, from the first block on that learns."""

    def __init__(self, model: PeftModel, whole: Named, *, shelf: Shelf, base: str) -> None:
        """`base` says which base model it is (`nightschool.identity`)."""
        self.name = f"{whole.name} upper half"
        self._whole, self._shelf = whole, shelf
        self._decoder = cast(Any, model.get_base_model()).base_model
        self._halves = Halves(model)
        made_by = describe(model, base, whole.name, self._halves.frozen)
        self._folder = f"{FOLDER}/{made_by}"

    def undo(self) -> None:
        """Let the model compute as a whole, by the other arithmetic."""
        self._halves.undo()

    def cut(self, units: Sequence[Unit], *, rows_at_once: int) -> Iterator[list[int]]:
        return self._whole.cut(units, rows_at_once=rows_at_once)

    def alone(self, row: Encoded) -> dict[str, Any]:
        return self._whole.alone(row)

    def lay_out(self, rows: Sequence[Encoded], states: Sequence[Tensor]) -> Tensor:
        return self._whole.lay_out(rows, states)

    def measure(self, model: Any, rows: Sequence[Encoded]) -> Tensor:
        states = [self._states(row) for row in rows]
        with self._halves.upper(self._whole.lay_out(rows, states)):
            return self._whole.measure(model, rows)

    def _states(self, row: Encoded) -> Tensor:
        """(n, d) of the row's tokens, as the lower half leaves them."""
        name = f"{self._folder}/{hashlib.sha256(json.dumps(row.input_ids).encode()).hexdigest()}"
        kept = self._shelf.read(name)
        if kept is None:
            kept = self._halves.lower(lambda: self._decoder(use_cache=False, **self._whole.alone(row)))[0]
            self._shelf.write(name, kept)
        return kept


def describe(model: LearningModel, base: str, *more: str | int) -> str:
    """By what a constant of the frozen base was computed, as a short hash."""
    decoder = cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)
    how = [
        base,
        str(decoder.dtype),
        str(getattr(decoder.config, "quantization_config", "")),
        torch.__version__,
        transformers.__version__,
        *more,
    ]
    return hashlib.sha256(json.dumps(how).encode()).hexdigest()[:16]
