"""Run a decoder one half at a time: the blocks that learn nothing, or the others from what those left.

Works on the blocks' own forward passes, so that all around them, positions, masks and heads, is the model's own. That
a model's blocks hand on hidden states and nothing else is not read off its name (`tune.methods.prove`). Does not know
what is kept of a half.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from tune.blocks import count_frozen, find_blocks


class Halves:
    """Takes the place of the blocks' forward passes until `undo`."""

    def __init__(self, model: PeftModel) -> None:
        self.frozen = count_frozen(model)
        """So many blocks are the lower half."""
        self._blocks = list(find_blocks(cast(PreTrainedModel, model.get_base_model())) or ())
        self._given: Tensor | None = None
        self._found: Tensor | None = None
        self._is_lower = False
        for number, block in enumerate(self._blocks):
            block.forward = partial(self._forward, number)

    def undo(self) -> None:
        for block in self._blocks:
            vars(block).pop("forward", None)

    def lower(self, run: Callable[[], Any]) -> Tensor:
        """What the lower half leaves of that which `run` gives the model. Raises TypeError."""
        self._is_lower = True
        try:
            with torch.no_grad():
                run()
            if not isinstance(self._found, Tensor):
                raise TypeError("its blocks hand on more than hidden states")
            return self._found
        finally:
            self._is_lower, self._found = False, None

    @contextmanager
    def upper(self, states: Tensor) -> Iterator[None]:
        """The model computes from `states` on, as if the lower half had left them."""
        self._given = states
        try:
            yield
        finally:
            self._given = None

    def _forward(self, number: int, hidden_states: Any, *args: Any, **kwargs: Any) -> Any:
        is_last_frozen = number == self.frozen - 1
        if self._given is not None and number < self.frozen:
            return self._given if is_last_frozen else hidden_states
        if self._is_lower and number >= self.frozen:
            return hidden_states
        block = self._blocks[number]
        left = type(block).forward(block, hidden_states, *args, **kwargs)
        if self._is_lower and is_last_frozen:
            self._found = left
        return left
