"""A whole model is refused where its engine would not fit, with what it needs, what is free and what to do."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import TooLittleMemory
from serve.vllm.memory import GIB, VLLM_GIB, check_memory


def check(folder: Path, **changes: Any) -> None:
    usual: dict[str, Any] = {
        "running": 0, "flavor": "cpu", "number_bytes": 2, "kv_cache_gib": 1, "gpu_memory_share": 0.6,
        "free_bytes": lambda: 0,
    }  # fmt: skip
    check_memory(folder, **(usual | changes))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Of half a GiB on disk."""
    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(GIB // 2)
    return tmp_path


@pytest.mark.parametrize(("number_bytes", "weights_gib"), [(2, 1.2), (4, 2.4)])
def test_on_a_cpu_weights_cache_and_vllm_must_fit(model: Path, number_bytes: int, weights_gib: float) -> None:
    needed = math.ceil((weights_gib + 1 + VLLM_GIB) * GIB)
    check(model, number_bytes=number_bytes, free_bytes=lambda: needed)
    with pytest.raises(TooLittleMemory) as caught:
        check(model, number_bytes=number_bytes, free_bytes=lambda: needed - 1)
    said = str(caught.value)
    assert re.search(rf"needs some {needed / GIB:.1f} GiB .*weights {weights_gib}, .* GiB are free", said)
    assert ("engine.kv_cache_gib" in said, "--as nearest" in said, "--as alone" in said) == (True, True, True)
    assert (caught.value.status, caught.value.exit_code) == (503, 6)


def test_on_a_gpu_each_engine_takes_its_share(model: Path) -> None:
    check(model, flavor="gpu", gpu_memory_share=0.5)
    check(model, flavor="gpu", gpu_memory_share=0.33, running=1)
    with pytest.raises(TooLittleMemory, match=r"needs 50% of the GPU's .*Lower engine.gpu_memory_share to 0.33"):
        check(model, flavor="gpu", gpu_memory_share=0.5, running=1)
