"""A stage goes on from its newest checkpoint that is whole."""

from pathlib import Path

import pytest

from nightschool.files import MANIFEST, publish
from tune.methods.course import CHECKPOINTS, find_checkpoint


def save(run: Path, step: int) -> Path:
    folder = run / CHECKPOINTS / "sft" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(b"weights")
    publish(folder, kind="checkpoint")
    return folder


@pytest.mark.parametrize("broken", ["weights", MANIFEST])
def test_a_broken_checkpoint_is_passed_over(tmp_path: Path, broken: str) -> None:
    older, newer = save(tmp_path, 9), save(tmp_path, 10)
    assert find_checkpoint(tmp_path, "sft") == newer
    (newer / broken).write_bytes(b"{")
    assert find_checkpoint(tmp_path, "sft") == older
    (older / broken).unlink()
    assert find_checkpoint(tmp_path, "sft") is None
