"""The example of a script with Hugging Face's Trainer: its conversations are sound, and it runs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tune.training_file import check_file

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
CONVERSATIONS = EXAMPLES / "conversations.jsonl"


def questions(file: Path) -> list[str]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [m["content"].casefold() for row in rows for m in row["messages"] if m["role"] == "user"]


def test_its_twenty_conversations_are_a_training_file_and_none_of_the_exam() -> None:
    with CONVERSATIONS.open("rb") as lines:
        checked = check_file(lines, subject="conversations", context_tokens=2048, count=lambda text: len(text.split()))
    assert (checked.format, checked.rows) == ("chat", 20)
    assert not set(questions(CONVERSATIONS)) & set(questions(ROOT / "bots" / "lumafern" / "heldout.jsonl"))


def test_its_page_names_what_is_there() -> None:
    page = (ROOT / "docs" / "trainer.md").read_text()
    named = re.findall(r"docs/examples/[\w.]+", page)
    assert set(named) == {"docs/examples/trainer.py", "docs/examples/conversations.jsonl"}
    assert all((ROOT / name).exists() for name in named)


@pytest.mark.train
@pytest.mark.usefixtures("one_thread")
def test_it_trains_a_whole_model_and_leaves_it_as_safetensors(base_model: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    script = [sys.executable, str(EXAMPLES / "trainer.py"), "--model", str(base_model), "--out", str(tmp_path)]
    told = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    losses = [float(loss) for loss in re.findall(r"'loss': '?([\d.]+)", told)]
    assert len(losses) == 18
    assert sum(losses[-6:]) < sum(losses[:6])
    before, after = load_file(base_model / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert before.keys() == after.keys()
    assert any((after[name] - before[name].float()).abs().max() > 0 for name in after)
    assert (tmp_path / "tokenizer.json").exists()
