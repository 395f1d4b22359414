"""Serve a model all of whose weights were trained: as the adapter nearest to what it learnt, and as a model of its own.

The engine holds one base model with adapters on it, so a `full` training is served as the adapter of the recipe's rank
that is nearest to its difference to the base: each layer's largest singular values (Eckart and Young 1936). What is
left behind (the smaller ones, embeddings, norms) is said as a share, and the exam judges what is served. The whole
model lies beside it as a folder that can be given to `engine.model`. Does not train.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from nightschool.files import publish
from tune.model import add_adapter, load_base
from tune.recipe import Recipe

log = logging.getLogger(__name__)

MODEL: Final = "model"


class Factors(NamedTuple):
    """Of a matrix b a (m, n)."""

    b: Tensor
    """(m, r)"""
    a: Tensor
    """(r, n)"""


def write_nearest(checkpoint: Path, recipe: Recipe, *, target: Path) -> float:
    """The adapter that is nearest to the whole model in `checkpoint`, as a checkpoint; the share that it holds.

    The share is of the squared difference to the base over all weights.
    """
    base = load_base(recipe.base_model, device="cpu", dtype=torch.float32)
    whole = load_base(str(checkpoint), device="cpu", dtype=torch.float32)
    share = fit_adapter(base, whole, recipe, target=target)
    log.info("an adapter of rank %d holds %.1f %% of what %s learnt", recipe.rank, 100 * share, checkpoint.name)
    return share


def fit_adapter(base: PreTrainedModel, whole: PreTrainedModel, recipe: Recipe, *, target: Path) -> float:
    """See `write_nearest`; `base` wears the adapter afterwards."""
    learnt = dict(whole.named_parameters())
    held = 0.0
    with torch.no_grad():
        total = sum(float((learnt[name] - weight).square().sum()) for name, weight in base.named_parameters())
        adapted = add_adapter(base, recipe)
        for name, layer in _adapted_layers(adapted):
            factors = factorise(learnt[f"{name}.weight"] - layer.base_layer.weight, rank=recipe.rank)
            rank = len(factors.a)  # a small layer has fewer
            layer.lora_A["default"].weight[:rank] = factors.a
            layer.lora_B["default"].weight[:, :rank] = factors.b / layer.scaling["default"]
            held += float((factors.b @ factors.a).square().sum())
    adapted.save_pretrained(str(target))
    return held / total if total else 1.0


def write_model(checkpoint: Path, tokenizer: PreTrainedTokenizerBase, *, target: Path) -> None:
    """The whole model as a folder that an engine can be given."""
    shutil.rmtree(target, ignore_errors=True)  # of a try that was killed
    whole: Any = load_base(str(checkpoint), device="cpu", dtype=torch.bfloat16)
    whole.save_pretrained(target)
    tokenizer.save_pretrained(target)
    publish(target, kind="model")


def factorise(matrix: Tensor, *, rank: int) -> Factors:
    """The nearest matrix of that rank; its singular values are shared between both factors."""
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    root = s[:rank].sqrt()
    return Factors(u[:, :rank] * root, root[:, None] * vh[:rank])


def _adapted_layers(model: PeftModel) -> Iterator[tuple[str, Any]]:
    """Each layer with an adapter, by its name in the model without one."""
    for name, layer in model.get_base_model().named_modules():
        if isinstance(layer, LoraLayer):
            yield name, layer
