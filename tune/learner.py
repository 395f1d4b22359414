"""The model with which a stage takes its steps: the base under an adapter, in its own type or in 4 bits, or all of it.

A stage goes on from an adapter's folder or, where the whole model learns, from a whole model's; an adapter is then
taken into the weights first. Whole models learn in fp32, in which small steps are not lost. Imports torch. Does not
know rows or steps.
"""

import hashlib
from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from nightschool.files import hash_file
from tune.model import CONFIG, add_adapter, choose_dtype, load_base
from tune.recipe import Recipe

LearningModel = PeftModel | PreTrainedModel


def load_learner(recipe: Recipe, start: Path | None, *, device: str) -> LearningModel:
    """In the state that training wants it in; `start` None begins as the base model. Raises InvalidInput."""
    load = _load_whole if recipe.adapter == "full" else _load_adapted
    model: LearningModel = load(recipe, start, device=device)
    # A forward pass that is not for training packs a CPU's 4-bit weights so that no gradient passes any more.
    model.train()
    return model


def hash_weights(folder: Path) -> str:
    """Of the model or adapter in a folder, however many files it is in."""
    files = sorted(folder.glob("*.safetensors"))
    return hashlib.sha256("".join(map(hash_file, files)).encode()).hexdigest()


def _load_adapted(recipe: Recipe, start: Path | None, *, device: str) -> PeftModel:
    is_quantized = recipe.adapter == "qlora"
    base = load_base(recipe.base_model, device=device, dtype=choose_dtype(device), is_quantized=is_quantized)
    if start is None:
        return add_adapter(base, recipe)
    model = PeftModel.from_pretrained(base, start, is_trainable=True)
    # A published adapter names no path; PEFT would look for the model in the hub with every checkpoint.
    model.peft_config["default"].base_model_name_or_path = recipe.base_model
    return model


def _load_whole(recipe: Recipe, start: Path | None, *, device: str) -> PreTrainedModel:
    adapter = start if start and (start / CONFIG).exists() else None
    weights = str(start) if start and not adapter else recipe.base_model
    model = load_base(weights, device=device, dtype=torch.float32)
    if adapter:
        model = cast(PreTrainedModel, PeftModel.from_pretrained(model, adapter).merge_and_unload())
    return model.requires_grad_(True)
