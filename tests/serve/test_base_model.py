"""A base model is probed in a child before it is served, once for its content; a refused one shows the chat."""

from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput, Unavailable
from nightschool.settings import EngineSettings, Settings
from serve.base_model import check_probe, describe_probe, probe_base
from serve.cli.doctor import Mark, examine_machine

from ..tune.conftest import byte_tokenizer

NO_END = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of a model but its weights."""
    from transformers import LlamaConfig

    folder = tmp_path_factory.mktemp("base") / "tiny"
    tokenizer: Any = byte_tokenizer()
    tokenizer.save_pretrained(folder)
    LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        eos_token_id=tokenizer.eos_token_id,
    ).save_pretrained(folder)  # fmt: skip
    return folder


async def test_a_model_is_probed_once_for_its_content(model: Path, tmp_path: Path) -> None:
    file = tmp_path / "models" / "probe.json"
    probe = await probe_base(str(model), file=file, logs=tmp_path)
    check_probe(probe)
    assert "<|im_end|>" in probe.control_tokens
    assert "adapters on down_proj" in describe_probe(probe)
    (tmp_path / "probe.log").unlink()
    assert await probe_base(str(model), file=file, logs=tmp_path) == probe
    assert not (tmp_path / "probe.log").exists()


async def test_a_model_that_learns_no_end_is_refused_with_the_chat(model: Path, tmp_path: Path) -> None:
    template = model / "chat_template.jinja"
    before = template.read_text()
    template.write_text(NO_END)
    probe = await probe_base(str(model), file=tmp_path / "probe.json", logs=tmp_path)
    template.write_text(before)
    with pytest.raises(InvalidInput, match=r"would never end.*user: May I return it\?"):
        check_probe(probe)


async def test_a_child_that_leaves_no_word_is_unavailable(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="could not be probed"):
        await probe_base(str(model), file=tmp_path / "file" / "probe.json", logs=tmp_path)


def test_doctor_shows_the_chat_and_the_layers(model: Path, settings: Settings) -> None:
    wanted = settings.model_copy(update={"engine": EngineSettings(model=str(model))})
    found = {finding.what: finding for finding in examine_machine(wanted)}["base model"]
    assert found.mark is Mark.OK
    assert "Then we repair it.<|im_end|>" in found.found
    assert "adapters on down_proj, gate_proj" in found.found
    assert not settings.home.exists()
