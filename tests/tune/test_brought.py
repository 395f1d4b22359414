"""A folder from outside: what is taken of it, and what keeps it out, by names and configuration alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from nightschool.files import publish
from tune.brought import ADAPTER_CONFIG, CARD, choose_files, names_of_base, read_adapter_config

ADAPTER = [ADAPTER_CONFIG, "adapter_model.safetensors"]
MODEL = ["config.json", "model.safetensors", "tokenizer.json", "generation_config.json"]
PLAIN = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "base_model_name_or_path": "some/where/Tiny", "bias": "none"}
BASE_HASH = "b" * 64


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        ([*ADAPTER, "README.md", "checkpoint-3", "training_args.bin"], [*ADAPTER, "README.md"]),
        ([*MODEL, "training_args.bin", "optimizer.pt", "rng_state_0.pth"], MODEL[:3]),
        (
            ["config.json", "model.safetensors.index.json", *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2))],
            [
                "config.json",
                "model.safetensors.index.json",
                *(f"model-0000{n}-of-00002.safetensors" for n in (1, 2)),
            ],
        ),
        ([*ADAPTER, *MODEL], ADAPTER),
    ],
)
def test_of_a_folder_weights_and_configuration_are_taken(names: list[str], taken: list[str]) -> None:
    assert list(choose_files(names, subject="mine").names) == taken


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([ADAPTER_CONFIG, "adapter_model.bin"], "mine: holds adapter_model.bin, a pickle"),
        ([*MODEL, "pytorch_model-00001-of-00002.bin"], "pytorch_model-00001-of-00002.bin, a pickle"),
        ([*ADAPTER, "extra.pkl"], "extra.pkl, a pickle"),
        ([ADAPTER_CONFIG], "lacks adapter_model.safetensors"),
        (["config.json", "model.gguf"], "lacks model.safetensors"),
        (["notes.txt"], "neither adapter_config.json nor config.json"),
        ([], "neither"),
    ],
)
def test_a_pickle_is_refused_by_name_and_so_is_a_folder_without_weights(names: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        choose_files(names, subject="mine")


def read(folder: Path, config: Any, *, card: str = "") -> Any:
    (folder / ADAPTER_CONFIG).write_text(config if isinstance(config, str) else json.dumps(config))
    if card:
        (folder / CARD).write_text(card)
    return read_adapter_config(folder, subject="mine", base_model="models/Tiny", base_hash=BASE_HASH, max_rank=16)


def test_a_plain_adapter_is_taken(tmp_path: Path) -> None:
    assert read(tmp_path, PLAIN).r == 8
    assert read(tmp_path, PLAIN | {"use_rslora": True, "init_lora_weights": "gaussian", "layers_pattern": None}).r == 8


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"r": 32}, "its rank is 32, and engine.max_lora_rank 16"),
        ({"peft_type": "IA3"}, "it is IA3, not LORA"),
        ({"use_dora": True, "bias": "all"}, "it uses use_dora, bias"),
        ({"modules_to_save": ["lm_head"]}, "it uses modules_to_save"),
        ({"rank_pattern": {"q_proj": 4}}, "it uses rank_pattern"),
        ({"init_lora_weights": "pissa_niter_4"}, "began by pissa_niter_4"),
        ({"r": 64, "use_dora": True}, "its rank is 64.*; it uses use_dora"),
        ({"base_model_name_or_path": "some/Other"}, "was trained on some/Other, and Tiny is served"),
        ({"base_model_name_or_path": None}, "nobody says which base model"),
        ({"r": "many"}, "is not PEFT's .r: "),
    ],
)
def test_what_the_engine_cannot_serve_is_refused_in_words(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=said):
        read(tmp_path, PLAIN | changes)


@pytest.mark.parametrize("config", ["", "[]", "{", "\x00" * 40, "{" * 5_000])
def test_a_configuration_that_is_none_is_a_clear_error(config: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not PEFT's"):
        read(tmp_path, config)


def test_a_card_of_ours_decides_about_the_base_whatever_the_name(tmp_path: Path) -> None:
    other = PLAIN | {"base_model_name_or_path": "renamed"}
    assert read(tmp_path, other, card=f"| base model Tiny | `{BASE_HASH}` |\n").r == 8
    with pytest.raises(InvalidInput, match="another base model, by its card"):
        read(tmp_path, PLAIN, card=f"| base model Tiny | `{'c' * 64}` |\n")


def test_the_default_base_is_known_by_its_folder_and_by_its_own_name(tmp_path: Path) -> None:
    folder = tmp_path / "default"
    folder.mkdir()
    publish(folder, kind="base-model", about={"model": "HuggingFaceTB/SmolLM2-135M-Instruct"})
    assert names_of_base(str(folder)) == {"default", "SmolLM2-135M-Instruct"}
    assert names_of_base("org/Model-7B") == {"Model-7B"}
