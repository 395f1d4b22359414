"""A load is proved: only an engine that serves the adapter's own weights passes."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.reconcile import load_proved, prove_load
from nightschool.echo import EchoEngine
from nightschool.errors import EngineError, InvalidInput

BASE = (-1.0, -2.0, -3.0)
ADAPTER = (-0.5, -1.2, -2.1)


class ServingEngine(EchoEngine):
    """Answers every model with the log-probabilities it was made with."""

    def __init__(self, served: Sequence[float]) -> None:
        super().__init__()
        self._served = tuple(served)

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return self._served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = {"token_ids": [1, 2, 3, 4], "base_logprobs": BASE, "adapter_logprobs": ADAPTER}
    (tmp_path / "proof.json").write_text(json.dumps({"texts": [text]}))
    return tmp_path


async def test_the_adapter_itself_passes_within_bf16(folder: Path) -> None:
    engine = ServingEngine([value + 0.04 for value in ADAPTER])
    await load_proved(engine, "support@1", folder, prove=prove_load)
    assert dict(await engine.loaded_adapters()) == {"support@1": folder}


@pytest.mark.parametrize("served", [BASE, (-5.0, -5.0, -5.0)], ids=["base", "another"])
async def test_other_weights_fail_and_are_unloaded(folder: Path, served: Sequence[float]) -> None:
    engine = ServingEngine(served)
    with pytest.raises(EngineError, match="not those of this adapter"):
        await load_proved(engine, "support@1", folder, prove=prove_load)
    assert await engine.loaded_adapters() == {}


async def test_an_adapter_without_proof_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no proof.json"):
        await load_proved(ServingEngine(ADAPTER), "support@1", tmp_path, prove=prove_load)
