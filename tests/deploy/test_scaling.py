"""A part of what was learnt is made by a child, whose words are told where it fails."""

import sys
from pathlib import Path

import pytest

from deploy.scaling import have_scaled
from nightschool.errors import TrainingFailed


async def test_a_child_that_fails_is_told_with_its_last_words_and_its_own_log(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no ' + sys.argv[2])")
    for scale in ("0.75", "0.5"):
        with pytest.raises(TrainingFailed, match=f"no {scale}\n") as failed:
            await have_scaled(tmp_path / "run", float(scale), command=command)
        assert failed.value.remedy.endswith(f"scaled-{scale}.log.")
