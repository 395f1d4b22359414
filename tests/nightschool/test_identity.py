"""A base model is known by its content: another name changes nothing, another upload under the same name does."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nightschool.identity import SAMPLE_BYTES, SAMPLES, find_upload, identify_base


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "tokenizer.json").write_text('{"a": 1}')
    (made / "model.safetensors").write_bytes(bytes(range(256)) * 40)
    return made


def test_the_same_files_are_the_same_model_elsewhere(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "elsewhere")
    (copy / "README.md").write_text("new")
    assert identify_base(str(copy)) == identify_base(str(folder))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_other_content_of_the_same_length_is_another_model(name: str, folder: Path) -> None:
    before = identify_base(str(folder))
    raw = bytearray((folder / name).read_bytes())
    raw[-1] ^= 1
    (folder / name).write_bytes(raw)
    assert identify_base(str(folder)) != before


def test_weights_too_large_to_read_are_told_by_samples(folder: Path) -> None:
    size = SAMPLES * SAMPLE_BYTES * 3
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    before = identify_base(str(folder))
    with (folder / "model.safetensors").open("r+b") as file:
        for start in range(0, size, SAMPLE_BYTES):  # as a training would: everywhere
            file.seek(start)
            file.write(b"x")
    assert identify_base(str(folder)) != before


def test_of_an_id_that_is_not_here_the_id_is_all_that_is_known() -> None:
    assert identify_base("nobody/nothing-of-that-name") == "nobody/nothing-of-that-name"
    assert identify_base("not an id at all/of/any hub") == "not an id at all/of/any hub"


@pytest.fixture
def upload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put an upload into the hub's cache, as a download would, on a machine without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    def put(commit: str, weights: str) -> None:
        repo = tmp_path / "models--some--model"
        snapshot = repo / "snapshots" / commit
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text("{}")
        (snapshot / "model.safetensors").write_text(weights)
        (repo / "refs").mkdir(exist_ok=True)
        (repo / "refs" / "main").write_text(commit)

    return put


def test_another_upload_under_one_id_is_another_model(upload: Callable[[str, str], None]) -> None:
    upload("a" * 40, "weights")
    assert find_upload("some/model") == "a" * 40
    first = identify_base("some/model")
    upload("b" * 40, "weightz")
    assert find_upload("some/model") == "b" * 40
    assert identify_base("some/model") != first
