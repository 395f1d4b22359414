"""Read weights that were brought from outside, and hold them against the base model. Imports torch.

Whatever does not fit is refused in words: a loader would leave it out, or make it up, without any.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from peft import LoraConfig
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from nightschool.errors import InvalidInput
from nightschool.identity import identify_base
from nightschool.layers import ADAPTED_LAYERS
from tune import model as models
from tune.brought import ADAPTER_WEIGHTS, TOKENIZER, AdapterConfig, BringOrder, read_adapter_config
from tune.encode import as_served, render_chat
from tune.probe import CHAT

NAME: Final = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
MOST_MOVED: Final = 0.25
"""Squared difference to the base over the base's own square: a training's is below .01, another model's 1 and more."""
MAY_DIFFER: Final = frozenset({
    "_name_or_path", "architectures", "bos_token_id", "dtype", "eos_token_id", "pad_token_id", "torch_dtype",
    "transformers_version", "use_cache",
})  # fmt: skip
"""Of a configuration: what does not change what the weights mean."""
NAMED: Final = 3
"""So many of what is wrong are named."""


def write_adapter(folder: Path, order: BringOrder, *, target: Path) -> int:
    """The adapter in the form that the engine and PEFT load alike; its rank. Raises InvalidInput."""
    config = read_adapter_config(
        folder,
        subject=order.name,
        base_model=order.base_model,
        base_hash=identify_base(order.base_model),
        max_rank=order.max_rank,
    )
    try:
        weights = load_file(folder / ADAPTER_WEIGHTS)
    except SafetensorError as error:
        raise _damaged(ADAPTER_WEIGHTS, error, subject=order.name) from error
    shapes = {name: tuple(p.shape) for name, p in models.outline_base(order.base_model).named_parameters()}
    layers = _check_weights(weights, shapes, config, subject=order.name)
    target.mkdir(parents=True)
    # Saved anew: a file may carry more behind what its header names.
    save_file({name: weight.contiguous() for name, weight in sorted(weights.items())}, target / ADAPTER_WEIGHTS)
    written = LoraConfig(
        r=config.r,
        lora_alpha=config.lora_alpha,  # type: ignore[arg-type]  # PEFT itself takes halves
        use_rslora=config.use_rslora,
        target_modules=sorted({layer.rpartition(".")[2] for layer in layers}),
        layers_to_transform=_blocks(layers),
        task_type="CAUSAL_LM",
        inference_mode=True,
    )
    written.save_pretrained(str(target))
    models.settle_config(target, base_model=order.base_model)
    return config.r


def load_whole(folder: Path, order: BringOrder, *, dtype: torch.dtype, device: str) -> PreTrainedModel:
    """The whole model, of which nothing is missing, made up or left over. Raises InvalidInput."""
    try:
        ours, theirs = (AutoConfig.from_pretrained(name).to_dict() for name in (order.base_model, str(folder)))
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"its config.json cannot be read ({error})", subject=order.name, remedy="Save the model again."
        ) from error
    if other := sorted(k for k in (ours.keys() | theirs.keys()) - MAY_DIFFER if ours.get(k) != theirs.get(k)):
        told = ", ".join(f"{key} {theirs.get(key)!r} instead of {ours.get(key)!r}"[:120] for key in other[:NAMED])
        raise _other_base(f"has another configuration than the base model: {told}", subject=order.name)
    _check_tokenizer(folder, order)
    attention = models.choose_attention(AutoConfig.from_pretrained(order.base_model))
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            attn_implementation=attention,
            device_map={"": device},
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, SafetensorError) as error:
        raise _damaged("its weights", error, subject=order.name) from error
    whole, info = loaded
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if names := sorted(str(name) for name in info[problem]):
            told = f"{problem.removesuffix('_keys')} weights: {', '.join(names[:NAMED])}"
            raise _other_base(f"has {told}", subject=order.name)
    model: PreTrainedModel = whole.requires_grad_(False).eval()
    return model


def write_whole(whole: Any, base: Any, order: BringOrder, *, target: Path) -> None:
    """The whole model's weights in bf16, with the base model's configuration and tokenizer: the engine stops where the
    base does, and whoever tokenises chats for the one does so for the other."""
    whole.config, whole.generation_config = base.config, base.generation_config
    whole.to(torch.bfloat16).save_pretrained(target)
    models.load_tokenizer(order.base_model).save_pretrained(target)


def _check_tokenizer(folder: Path, order: BringOrder) -> None:
    """Raises InvalidInput where the folder holds a tokenizer that is not the base model's."""
    if not (folder / TOKENIZER).exists():
        return
    ours = models.load_tokenizer(order.base_model)
    try:
        theirs: Any = AutoTokenizer.from_pretrained(str(folder))
    except (OSError, ValueError, KeyError) as error:
        raise _damaged("its tokenizer", error, subject=order.name) from error
    if theirs.get_vocab() != ours.get_vocab():
        raise _other_base("has another tokenizer than the base model", subject=order.name)
    if theirs.chat_template and _render(theirs) != _render(ours):
        raise _other_base("has another chat template than the base model", subject=order.name)


def _render(tokenizer: Any) -> list[str]:
    """A whole chat, and one that is to be answered."""
    served = as_served(tokenizer)
    chats = ((CHAT, False), (CHAT[:-1], True))
    return [render_chat("of the probe", chat, served, is_prompt=is_prompt) for chat, is_prompt in chats]


def check_moved(base: PreTrainedModel, whole: PreTrainedModel, *, subject: str) -> None:
    """Raises InvalidInput where `whole` is the base itself, another model, or no numbers."""
    learnt = dict(whole.named_parameters())
    moved = own = 0.0
    for name, weight in base.named_parameters():
        moved += float((learnt[name].float() - weight.float()).square().sum())
        own += float(weight.float().square().sum())
    if not math.isfinite(moved):
        raise InvalidInput("holds weights that are no numbers", subject=subject, remedy="Its training diverged.")
    if moved == 0:
        raise InvalidInput("is the base model itself", subject=subject, remedy="Train it, then add it.")
    if moved > MOST_MOVED * own:
        raise _other_base(f"is another model: its weights differ by {moved / own:.0%} of the base's", subject=subject)


def _check_weights(
    weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], config: AdapterConfig, *, subject: str
) -> list[str]:
    """The layers that have an adapter. Raises InvalidInput."""
    matches = {name: NAME.fullmatch(name) for name in weights}
    pairs: dict[str, dict[str, Tensor]] = {}
    for name, match in matches.items():
        if match is None or match[1].rpartition(".")[2] not in ADAPTED_LAYERS:
            raise InvalidInput(
                f"holds {name[:120]}, which the engine does not serve",
                subject=subject,
                remedy=f"Adapt only layers of these: {', '.join(ADAPTED_LAYERS)}.",
            )
        pairs.setdefault(match[1], {})[match[2]] = weights[name]
    for layer, sides in pairs.items():
        out, into = shapes.get(f"{layer}.weight", (0, 0))
        found = {side: tuple(matrix.shape) for side, matrix in sides.items()}
        if found != {"A": (config.r, into), "B": (out, config.r)}:
            told = (
                f"its layer {layer[:80]} has {found}, where the base model's is {out} x {into} and the rank {config.r}"
            )
            raise _other_base(told, subject=subject)
    if not all(bool(torch.isfinite(matrix).all()) for matrix in weights.values()):
        raise InvalidInput("holds weights that are no numbers", subject=subject, remedy="Its training diverged.")
    if not any(bool(sides["B"].any()) for sides in pairs.values()):
        raise InvalidInput("changes nothing: its weights are zero", subject=subject, remedy="Train it, then add it.")
    return sorted(pairs)


def _blocks(layers: list[str]) -> list[int]:
    """The decoder's blocks in which they lie."""
    return sorted({int(found[1]) for layer in layers if (found := re.search(r"\.(\d+)\.", layer))})


def _other_base(problem: str, *, subject: str) -> InvalidInput:
    return InvalidInput(problem, subject=subject, remedy="Train it on the base model that is served.")


def _damaged(what: str, error: Any, *, subject: str) -> InvalidInput:
    return InvalidInput(f"{what} cannot be read ({error})", subject=subject, remedy="Save it again, then add it again.")
