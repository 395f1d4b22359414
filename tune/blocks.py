"""A decoder's blocks, and which of them learn: all of them, or the topmost share.

Found by their number, whatever the model calls them. Imports torch. Does not know what a block computes.
"""

import math
from typing import cast

from peft import PeftModel
from torch.nn import Module, ModuleList
from transformers import PreTrainedModel

from nightschool.errors import InvalidInput


def find_blocks(model: PreTrainedModel) -> ModuleList | None:
    """The outermost list of as many modules as the model has layers; None where there is none."""
    count = model.config.get_text_config().num_hidden_layers
    lists = (module for module in model.modules() if isinstance(module, ModuleList))
    return next((blocks for blocks in lists if len(blocks) == count), None)


def choose_blocks(model: PreTrainedModel, *, share: float, subject: str) -> list[int] | None:
    """Numbers of the topmost `share` of the blocks, one at least; None for all of them. Raises InvalidInput."""
    if share == 1:
        return None
    blocks = find_blocks(model)
    if blocks is None:
        raise InvalidInput(
            "has no list of blocks of which the top could be taken",
            subject=subject,
            remedy="Set recipe.layers_share = 1.",
        )
    return list(range(len(blocks) - math.ceil(share * len(blocks)), len(blocks)))


def count_frozen(model: PeftModel) -> int:
    """So many of the lowest blocks learn nothing, and nor does what stands before them."""
    base = cast(PreTrainedModel, model.get_base_model())
    blocks = find_blocks(base)
    inside = {id(parameter) for block in blocks or () for parameter in block.parameters()}
    if blocks is None or any(
        parameter.requires_grad and id(parameter) not in inside for parameter in base.parameters()
    ):
        return 0
    return next((number for number, block in enumerate(blocks) if _learns(block)), len(blocks))


def _learns(block: Module) -> bool:
    return any(parameter.requires_grad for parameter in block.parameters())
