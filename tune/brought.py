"""What a folder from outside must be, before any of its weights are read: files that are wanted, and an adapter's
configuration. In: names, bytes. Out: what was found, or InvalidInput with what is wrong. Imports no torch.

Whatever is no safetensors, JSON or card is never opened: a pickle runs what its maker likes when it is read.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nightschool.errors import InvalidInput
from nightschool.files import read_manifest

ORDER: Final = "order.json"
FOUND: Final = "found.json"
ADAPTER_CONFIG: Final = "adapter_config.json"
ADAPTER_WEIGHTS: Final = "adapter_model.safetensors"
MODEL_CONFIG: Final = "config.json"
MODEL_WEIGHTS: Final = re.compile(r"model(-\d+-of-\d+)?\.safetensors")
MODEL_INDEX: Final = "model.safetensors.index.json"
TOKENIZER: Final = "tokenizer.json"
TOKENIZER_FILES: Final = (TOKENIZER, "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
CARD: Final = "README.md"
MAX_TEXT_BYTES: Final = 50_000_000
"""Of a configuration, an index, a card."""
PICKLES: Final = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt"})
TRAINERS_OWN: Final = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state\w*)\.(bin|pt|pth)")
"""Pickles that Trainer leaves beside the weights: they stay where they are."""
CARDS_BASE: Final = re.compile(r"^\| base model .* \| `([0-9a-f]{64})` \|$", re.MULTILINE)
"""As `tune.run_record` writes it."""
OTHER_STARTS: Final = ("pissa", "olora", "corda", "loftq")
"""Ways to begin an adapter that change the base model's own weights."""


class BringOrder(BaseModel):
    """What the child that reads the weights is told; it lies in its folder as `order.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str
    """Where what was brought lies."""
    name: str
    """As whoever brought it calls it."""
    base_model: str
    max_rank: int
    is_served_whole: bool = False
    """A whole model stays one; else it becomes the adapter nearest to it."""
    is_alone: bool = False
    """And is to answer in the base model's place, not beside it."""
    system_prompt: str = ""
    questions: tuple[str, ...] = ()
    """That the bot is asked: the proof is made of what is answered to them."""


class Found(BaseModel):
    """What the child found; `problem` is empty where the adapter can be loaded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["adapter", "model"] = "adapter"
    is_whole: bool = False
    """Served as the model that it is, without an adapter."""
    rank: int = 0
    share: float | None = None
    """Of what a whole model learnt, that its nearest adapter holds: of the squared difference to the base."""
    said: float | None = None
    """How far the nearest adapter's words stand on the way from the base's to the whole model's, 0 to 1."""
    subject: str = ""
    problem: str = ""
    remedy: str = ""


class Chosen(NamedTuple):
    kind: Literal["adapter", "model"]
    names: tuple[str, ...]


class AdapterConfig(BaseModel):
    """PEFT's, as far as it decides whether and how an adapter is served."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    peft_type: str = "LORA"
    base_model_name_or_path: str | None = None
    r: int = Field(ge=1)
    lora_alpha: float = Field(gt=0)
    use_rslora: bool = False
    use_dora: bool = False
    bias: str = "none"
    lora_bias: bool = False
    fan_in_fan_out: bool = False
    modules_to_save: list[str] | None = None
    trainable_token_indices: Any = None
    target_parameters: Any = None
    layer_replication: Any = None
    rank_pattern: dict[str, Any] | None = None
    alpha_pattern: dict[str, Any] | None = None
    init_lora_weights: bool | str = True


def choose_files(names: Collection[str], *, subject: str) -> Chosen:
    """Which files of a folder are taken. Raises InvalidInput for a pickle, by name, and where no weights are there."""
    pickles = sorted(n for n in names if PurePosixPath(n).suffix in PICKLES and not TRAINERS_OWN.fullmatch(n))
    if pickles:
        raise InvalidInput(
            f"holds {pickles[0]}, a pickle, which can run anything as it is read",
            subject=subject,
            remedy="Save the weights as safetensors (save_pretrained does), and take the pickle out of the folder.",
        )
    if ADAPTER_CONFIG in names:
        _want(ADAPTER_WEIGHTS, names, subject=subject)
        return Chosen("adapter", tuple(n for n in (ADAPTER_CONFIG, ADAPTER_WEIGHTS, CARD) if n in names))
    if MODEL_CONFIG in names:
        weights = sorted(n for n in names if MODEL_WEIGHTS.fullmatch(n))
        if not weights:
            _want("model.safetensors", names, subject=subject)
        wanted = (MODEL_CONFIG, MODEL_INDEX, *weights, *TOKENIZER_FILES)
        return Chosen("model", tuple(n for n in wanted if n in names))
    raise InvalidInput(
        f"holds neither {ADAPTER_CONFIG} nor {MODEL_CONFIG}",
        subject=subject,
        remedy="Give the folder that PEFT's or Trainer's save_model wrote.",
    )


def read_adapter_config(folder: Path, *, subject: str, base_model: str, base_hash: str, max_rank: int) -> AdapterConfig:
    """Raises InvalidInput with all that keeps it from being served, at once."""
    try:
        config = AdapterConfig.model_validate_json((folder / ADAPTER_CONFIG).read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise InvalidInput(
            f"{ADAPTER_CONFIG} is not PEFT's ({': '.join(filter(None, (where, fault['msg'])))})",
            subject=subject,
            remedy="Save the adapter again with save_pretrained.",
        ) from error
    if problems := [*_unservable(config, max_rank=max_rank)]:
        raise InvalidInput(
            f"cannot be served: {'; '.join(problems)}", subject=subject, remedy="Train a plain LoRA adapter of it."
        )
    check_base(config, folder, subject=subject, base_model=base_model, base_hash=base_hash)
    return config


def check_base(config: AdapterConfig, folder: Path, *, subject: str, base_model: str, base_hash: str) -> None:
    """By the hash on a card of ours, where there is one, else by the name. Raises InvalidInput."""
    card = folder / CARD
    if found := CARDS_BASE.search(card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""):
        if found[1] != base_hash:
            raise InvalidInput(
                f"was trained on another base model, by its card ({found[1][:12]}; served is {base_hash[:12]})",
                subject=subject,
                remedy="Train it on the base model that is served.",
            )
        return
    given = config.base_model_name_or_path or ""
    known = names_of_base(base_model)
    if _last(given) not in known:
        raise InvalidInput(
            f"was trained on {given or 'nobody says which base model'}, and {' or '.join(sorted(known))} is served",
            subject=subject,
            remedy=f"Where that is the same model, say so in {ADAPTER_CONFIG}: base_model_name_or_path.",
        )


def names_of_base(base_model: str) -> frozenset[str]:
    """By which a trainer may have known the base model."""
    names = {_last(base_model)}
    manifest = read_manifest(Path(base_model)) if Path(base_model).is_dir() else None
    if manifest and isinstance(model := manifest.about.get("model"), str):
        names.add(_last(model))
    return frozenset(names)


def _unservable(config: AdapterConfig, *, max_rank: int) -> Iterator[str]:
    if config.peft_type != "LORA":
        yield f"it is {config.peft_type}, not LORA"
    if config.r > max_rank:
        yield f"its rank is {config.r}, and engine.max_lora_rank {max_rank}"
    if isinstance(config.init_lora_weights, str) and config.init_lora_weights.lower().startswith(OTHER_STARTS):
        yield f"it began by {config.init_lora_weights}, on a base model of its own"
    more: Mapping[str, bool] = {
        "use_dora": config.use_dora,
        "bias": config.bias != "none",
        "lora_bias": config.lora_bias,
        "fan_in_fan_out": config.fan_in_fan_out,
        "modules_to_save": bool(config.modules_to_save),
        "trainable_token_indices": bool(config.trainable_token_indices),
        "target_parameters": bool(config.target_parameters),
        "layer_replication": bool(config.layer_replication),
        "rank_pattern": bool(config.rank_pattern),
        "alpha_pattern": bool(config.alpha_pattern),
    }
    if used := [name for name, is_used in more.items() if is_used]:
        yield f"it uses {', '.join(used)}"


def _want(name: str, names: Collection[str], *, subject: str) -> None:
    if name not in names:
        raise InvalidInput(
            f"lacks {name}", subject=subject, remedy="Save the weights as safetensors (save_pretrained)."
        )


def _last(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]
