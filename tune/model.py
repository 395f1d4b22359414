"""The frozen base model, its tokenizer and the adapter on top: loading, adapting and exporting.

Imports torch, so only `tune.train` and `tune.methods` import it. Does not know rows or training.
"""

import json
import logging
import platform
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from nightschool.errors import InvalidInput
from nightschool.layers import ADAPTED_LAYERS
from nightschool.prompt import Token, control_tokens
from tune.blocks import choose_blocks
from tune.recipe import Recipe
from tune.resources import CPU_MOST, Resources, Room, estimate, free_memory_bytes, read_shape
from tune.run_record import Machine

log = logging.getLogger(__name__)

WEIGHTS: Final = "adapter_model.safetensors"
CONFIG: Final = "adapter_config.json"
BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`. Raises InvalidInput where a GPU is wanted that is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InvalidInput("is not there", subject="device cuda", remedy='Set device = "auto" in the recipe.')
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def choose_dtype(device: str, *, cpuinfo: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """bf16, but fp32 on a CPU that has no instructions for it: there it would be several times slower."""
    if device != "cpu":
        return torch.bfloat16
    words = cpuinfo.read_text(encoding="utf-8").split() if cpuinfo.exists() else []
    return torch.bfloat16 if BF16_FLAGS.intersection(words) else torch.float32


def measure_room(recipe: Recipe, *, device: str, row_tokens: int) -> Room:
    """What rows of this length need of memory, and how much there is."""
    outline = outline_base(recipe.base_model)
    sizes = [(bool(_inside_block(name)[0]), parameter.numel()) for name, parameter in outline.named_parameters()]
    shape = read_shape(
        outline.config.get_text_config(),
        in_blocks=sum(size for is_inside, size in sizes if is_inside),
        elsewhere=sum(size for is_inside, size in sizes if not is_inside),
    )
    is_gpu = device != "cpu"
    needs = estimate(
        shape,
        learner=recipe.adapter,
        row_tokens=row_tokens,
        number_bytes=choose_dtype(device).itemsize,
        is_checkpointed=is_gpu,
    )
    free_bytes = torch.cuda.mem_get_info()[0] if is_gpu else free_memory_bytes()
    return Room(needs, recipe.batch_size if is_gpu else min(CPU_MOST, recipe.batch_size), free_bytes)


def describe_machine(device: str, recipe: Recipe, resources: Resources) -> Machine:
    """What a run is computed on, for its record."""
    is_gpu = device != "cpu"
    computed = str(choose_dtype(device)).removeprefix("torch.")
    held = {"lora": computed, "qlora": "nf4", "full": "float32"}[recipe.adapter]
    return Machine(
        device=device,
        device_name=torch.cuda.get_device_name() if is_gpu else platform.machine(),
        dtype=held if held == computed else f"{held}, computed in {computed}",
        threads=torch.get_num_threads(),
        **resources.model_dump(),
    )


def load_tokenizer(base_model: str) -> PreTrainedTokenizerBase:
    """Raises InvalidInput where there is none, or it has no chat template."""
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(base_model)
    except (OSError, ValueError) as error:
        raise _unloadable(base_model, error) from error
    if not tokenizer.chat_template:
        raise InvalidInput(
            "has no chat template", subject=base_model, remedy="Choose an instruction-tuned model as base model."
        )
    return tokenizer


def read_control_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """The tokens that must not come from people's text; see `nightschool.prompt`."""
    added = [Token(token.content, token.special) for token in tokenizer.added_tokens_decoder.values()]
    special = [Token(text, is_special=True) for text in tokenizer.all_special_tokens]
    return control_tokens({*added, *special}, template=str(tokenizer.chat_template))


def read_end_tokens(tokenizer: PreTrainedTokenizerBase, base_model: str) -> frozenset[str]:
    """The tokens at which the engine stops: the tokenizer's end and those of the model's generation config."""
    try:
        ends = GenerationConfig.from_pretrained(base_model).eos_token_id
    except OSError:  # as vLLM does where there is no generation_config.json
        ends = AutoConfig.from_pretrained(base_model).get_text_config().eos_token_id
    ids = [*(ends if isinstance(ends, list) else [ends]), tokenizer.eos_token_id]
    found = tokenizer.convert_ids_to_tokens([number for number in ids if number is not None])
    return frozenset(text for text in found if text)


def read_end_ids(tokenizer: PreTrainedTokenizerBase, base_model: str) -> tuple[int, ...]:
    """The same as ids."""
    vocabulary: Mapping[str, int] = tokenizer.get_vocab()
    return tuple(sorted(vocabulary[text] for text in read_end_tokens(tokenizer, base_model)))


def load_base(base_model: str, *, device: str, dtype: torch.dtype, is_quantized: bool = False) -> PreTrainedModel:
    """The base model, frozen; in 4 bits if it is to be quantized. Raises InvalidInput where it cannot be loaded."""
    more = {"quantization_config": four_bits(dtype)} if is_quantized else {}
    try:
        attention = choose_attention(AutoConfig.from_pretrained(base_model))
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base_model, dtype=dtype, attn_implementation=attention, device_map={"": device}, **more
        )
    except (OSError, ValueError) as error:
        raise _unloadable(base_model, error) from error
    return model.requires_grad_(False)


def choose_attention(config: Any) -> str | None:
    """None leaves it to transformers, whose own choice forgets without a word that attention scores are capped."""
    return "eager" if getattr(config.get_text_config(), "attn_logit_softcapping", None) else None


def four_bits(dtype: torch.dtype, *, skip: Sequence[str] | None = None) -> BitsAndBytesConfig:
    """QLoRA's: NF4, its scales quantized too, products in `dtype`; without its head, or the layers to `skip`."""
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(skip) if skip else None,  # named for the 8 bits it was first made for
    )


def outline_base(base_model: str) -> PreTrainedModel:
    """The base model without its weights. Raises InvalidInput where it is none that can be made."""
    try:
        with torch.device("meta"):
            config = AutoConfig.from_pretrained(base_model)
            model: PreTrainedModel = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise _unloadable(base_model, error) from error
    return model


class Layers(NamedTuple):
    """Names of a decoder's linear layers and other matrices."""

    adapted: tuple[str, ...]
    left_out: tuple[str, ...]


def find_layers(model: PreTrainedModel) -> Layers:
    """What of the decoder's blocks gets an adapter, and which of their matrices do not."""
    adapted: set[str] = set()
    left_out: set[str] = set()
    for name, parameter in model.named_parameters():
        path, block, inside = name.rpartition(".")[0], *_inside_block(name)
        if not block or parameter.ndim < 2:
            continue
        layer = path.rpartition(".")[2]
        is_linear = isinstance(model.get_submodule(path), torch.nn.Linear)  # a quantized one too
        (adapted if is_linear and layer in ADAPTED_LAYERS else left_out).add(layer if is_linear else inside)
    return Layers(tuple(sorted(adapted & set(ADAPTED_LAYERS))), tuple(sorted(left_out)))


def check_layers(layers: Layers, base_model: str) -> None:
    """Raises InvalidInput where there is none that the engine can serve adapters for."""
    if not layers.adapted:
        raise InvalidInput(
            f"has none of the layers that can be adapted, but {', '.join(layers.left_out)}",
            subject=base_model,
            remedy=f"Choose a base model that has some of {', '.join(ADAPTED_LAYERS)}.",
        )


def _inside_block(name: str) -> tuple[str, str]:
    """The number of a parameter's block, empty where it is in none, and the name within it."""
    found = re.search(r"\.(\d+)\.(.*)", name)
    return (found[1], found[2]) if found else ("", "")


def add_adapter(model: PreTrainedModel, recipe: Recipe) -> PeftModel:
    """`model` with a fresh LoRA adapter, whose fp32 weights are all that learns; it starts as the base model.

    Raises InvalidInput where the model has none of the layers that the engine can serve adapters for; matrices that
    get none are named in the log.
    """
    layers = find_layers(model)
    check_layers(layers, recipe.base_model)
    if layers.left_out:
        log.warning("%s: not adapted: %s", Path(recipe.base_model).name, ", ".join(layers.left_out))
    set_seed(recipe.seed)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=0.0,
        target_modules=list(layers.adapted),
        layers_to_transform=choose_blocks(model, share=recipe.layers_share, subject=recipe.base_model),
        task_type="CAUSAL_LM",
        bias="none",
    )
    adapted: PeftModel = get_peft_model(model, config)
    return adapted


def export_adapter(checkpoint: Path, target: Path, *, base_model: str) -> None:
    """The checkpoint's adapter as a folder that vLLM loads, the same bytes for the same weights."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    shutil.copyfile(checkpoint / WEIGHTS, target / WEIGHTS)
    shutil.copyfile(checkpoint / CONFIG, target / CONFIG)
    settle_config(target, base_model=base_model)


def settle_config(adapter: Path, *, base_model: str) -> None:
    """Have an adapter's configuration say the same on every machine, byte for byte."""
    config: dict[str, Any] = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    # PEFT keeps the modules in a set, whose order changes from process to process, and the base model's path.
    config |= {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": Path(base_model).name}
    (adapter / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _unloadable(base_model: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"cannot be loaded ({error})",
        subject=base_model,
        remedy="Give the folder of a Hugging Face model, or an id that this machine can download.",
    )
