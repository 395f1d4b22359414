"""What base and adapter think of a few texts: the log-probabilities by which a server proves what it has loaded.

In fp32 on a CPU, by plain PEFT over the unquantized base, since that is what is served. Imports torch. Does not know
how an engine is asked (`deploy.proof`).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import torch
from peft import PeftModel, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file

from nightschool.files import write_atomic
from tune.model import WEIGHTS, load_base

DEPTH_GROUPS: Final = 6


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
        return [read_log_probs(model, text, device=device) for text in texts]

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


def read_log_probs(model: Any, token_ids: Sequence[int], *, device: str) -> tuple[float, ...]:
    """Of each token given those before it, under a model as it stands."""
    ids = torch.tensor([list(token_ids)], device=device)
    logits = model(input_ids=ids).logits[0, :-1].float()
    return tuple(torch.log_softmax(logits, dim=-1).gather(1, ids[0, 1:, None])[:, 0].tolist())


def write_proof(file: Path, texts: Sequence[Sequence[int]], measured: Sequence[LogProbs]) -> None:
    """In the form that `deploy.proof` reads; `measured` belongs to the token ids of `texts`, one by one."""
    proofs = [
        {"token_ids": text, "base_logprobs": of.base, "adapter_logprobs": of.adapter, "without": of.without}
        for text, of in zip(texts, measured, strict=True)
    ]
    write_atomic(file, json.dumps({"texts": proofs}) + "\n")


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
