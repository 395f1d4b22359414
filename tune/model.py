"""The frozen base model, its tokenizer and the adapter on top: loading, and the log-probabilities that prove a load.

Imports torch, so only `tune.train` and `tune.methods` import it. Does not know rows or training.
"""

import json
import logging
import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import torch
from peft import LoraConfig, PeftModel, get_peft_model, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

from nightschool.errors import InvalidInput
from nightschool.layers import ADAPTED_LAYERS
from nightschool.prompt import Token, control_tokens
from tune.recipe import Recipe
from tune.run_record import Machine

log = logging.getLogger(__name__)

WEIGHTS: Final = "adapter_model.safetensors"
CONFIG: Final = "adapter_config.json"
DEPTH_GROUPS: Final = 6
BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})


class LogProbs(NamedTuple):
    """Natural-log probability of each token given those before it; one fewer than the tokens."""

    base: tuple[float, ...]
    adapter: tuple[float, ...]
    without: Mapping[str, tuple[float, ...]]
    """Under the adapter less one of its parts, by the part's name."""

    @property
    def distance(self) -> float:
        """Mean absolute difference, in nats."""
        return sum(abs(a - b) for a, b in zip(self.adapter, self.base, strict=True)) / len(self.base)


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`. Raises InvalidInput where a GPU is wanted that is not there."""
    if wanted == "cuda" and not torch.cuda.is_available():
        raise InvalidInput("is not there", subject="device cuda", remedy='Set device = "auto" in the recipe.')
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def choose_dtype(device: str, *, cpuinfo: Path = Path("/proc/cpuinfo")) -> torch.dtype:
    """bf16, but fp32 on a CPU that has no instructions for it: there it would be several times slower."""
    if device != "cpu":
        return torch.bfloat16
    words = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return torch.bfloat16 if BF16_FLAGS.intersection(words) else torch.float32


def describe_machine(device: str) -> Machine:
    """What a run is computed on, for its record."""
    is_gpu = device != "cpu"
    return Machine(
        device=device,
        device_name=torch.cuda.get_device_name() if is_gpu else platform.machine(),
        dtype=str(choose_dtype(device)).removeprefix("torch."),
        threads=torch.get_num_threads(),
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


def load_base(base_model: str, *, device: str, dtype: torch.dtype, attention: str = "sdpa") -> PreTrainedModel:
    """The base model, frozen. Raises InvalidInput where it cannot be loaded."""
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            base_model, dtype=dtype, attn_implementation=attention, device_map={"": device}
        )
    except (OSError, ValueError) as error:
        raise _unloadable(base_model, error) from error
    return model.requires_grad_(False)


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
        is_linear = type(model.get_submodule(path)) is torch.nn.Linear
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
    config: dict[str, Any] = json.loads((checkpoint / CONFIG).read_text())
    # PEFT keeps the modules in a set, whose order changes from process to process, and the base model's path.
    config |= {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": Path(base_model).name}
    (target / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def measure_log_probs(
    base_model: str,
    adapter: Path,
    texts: Sequence[Sequence[int]],
    *,
    device: str,
    earlier: Mapping[str, Path] = MappingProxyType({}),
) -> list[LogProbs]:
    """Log-probabilities of token sequences under base and adapter, and under the adapter less each of its parts.

    In fp32 on CPU, in bf16 on a GPU. A part is a kind of layer (`q_proj`), a sixth of the model's depth, or what it
    learnt since a checkpoint of `earlier`.
    """
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    model = PeftModel.from_pretrained(load_base(base_model, device=device, dtype=dtype), adapter).eval()

    def measure() -> list[tuple[float, ...]]:
        return [_log_probs(model, text, device=device) for text in texts]

    with torch.inference_mode():
        under_adapter = measure()
        with model.disable_adapter():
            under_base = measure()
        without: dict[str, list[tuple[float, ...]]] = {}
        for part, layers in _parts(model).items():
            with _switched_off(layers):
                without[part] = measure()
        for part, checkpoint in earlier.items():
            set_peft_model_state_dict(model, load_file(checkpoint / WEIGHTS))
            without[part] = measure()
    return [
        LogProbs(base, adapted, {part: values[number] for part, values in without.items()})
        for number, (base, adapted) in enumerate(zip(under_base, under_adapter, strict=True))
    ]


def _parts(model: PeftModel) -> dict[str, list[Any]]:
    """The adapter's layers by kind and by depth."""
    named = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer)]
    depths = [int(found[1]) if (found := re.search(r"\.(\d+)\.", name)) else 0 for name, _ in named]
    depth = max(depths) + 1
    size = -(-depth // DEPTH_GROUPS)
    parts: dict[str, list[Any]] = {}
    for (name, layer), at in zip(named, depths, strict=True):
        first = at // size * size
        for part in (name.rpartition(".")[2], f"layers {first}-{min(first + size, depth) - 1}"):
            parts.setdefault(part, []).append(layer)
    return parts


@contextmanager
def _switched_off(layers: Sequence[Any]) -> Iterator[None]:
    kept = [layer.scaling["default"] for layer in layers]
    for layer in layers:
        layer.scaling["default"] = 0.0
    try:
        yield
    finally:
        for layer, scale in zip(layers, kept, strict=True):
            layer.scaling["default"] = scale


def _log_probs(model: PeftModel, token_ids: Sequence[int], *, device: str) -> tuple[float, ...]:
    ids = torch.tensor([list(token_ids)], device=device)
    logits = model(input_ids=ids).logits[0, :-1].float()
    return tuple(torch.log_softmax(logits, dim=-1).gather(1, ids[0, 1:, None])[:, 0].tolist())


def _unloadable(base_model: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"cannot be loaded ({error})",
        subject=base_model,
        remedy="Give the folder of a Hugging Face model, or an id that this machine can download.",
    )
