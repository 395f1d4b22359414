"""A load is proved: only an engine that serves the adapter's own weights passes."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from deploy.proof import NOISE, SEPARATION, AdapterFiles, load_proved, prove_load
from nightschool.echo import EchoEngine
from nightschool.errors import Busy, EngineError, InvalidInput
from nightschool.files import publish, read_manifest

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
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    publish(tmp_path, kind="adapter")
    return tmp_path


async def load(engine: EchoEngine, folder: Path, *, content_hash: str | None = None) -> None:
    manifest = read_manifest(folder)
    known = content_hash or (manifest.content_hash if manifest else "")
    await load_proved(engine, "support@1", AdapterFiles(folder, folder / "proof.json", known), prove=prove_load)


async def test_the_adapter_itself_passes_within_bf16(folder: Path) -> None:
    engine = ServingEngine([value + 0.04 for value in ADAPTER])
    await load(engine, folder)
    assert dict(await engine.loaded_adapters()) == {"support@1": folder}


@pytest.mark.parametrize("served", [BASE, (-5.0, -5.0, -5.0)], ids=["base", "another"])
async def test_other_weights_fail_and_are_unloaded(folder: Path, served: Sequence[float]) -> None:
    engine = ServingEngine(served)
    with pytest.raises(EngineError, match="not those of this adapter"):
        await load(engine, folder)
    assert await engine.loaded_adapters() == {}


async def test_an_adapter_without_proof_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, kind="adapter")
    with pytest.raises(InvalidInput, match="has no proof"):
        await load(ServingEngine(ADAPTER), tmp_path)


def write_proof(folder: Path, **text: Sequence[float] | Mapping[str, Sequence[float]]) -> Path:
    tokens = list(range(len(ADAPTER) * 20 + 1))
    (folder / "proof.json").write_text(json.dumps({"texts": [{"token_ids": tokens, **text}]}))
    publish(folder, kind="adapter")
    return folder


async def test_a_proof_that_cannot_be_read_is_named(folder: Path) -> None:
    manifest, broken = read_manifest(folder), folder / ".broken.json"
    assert manifest is not None
    broken.write_bytes(b"\0\0\0")
    files = AdapterFiles(folder, broken, manifest.content_hash)
    with pytest.raises(InvalidInput, match=r"broken.json: is no proof that can be read"):
        await load_proved(ServingEngine(ADAPTER), "support@1", files, prove=prove_load)


async def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    base, adapter = BASE * 20, ADAPTER * 20
    without = {"q_proj": [value - 0.07 for value in adapter], "k_proj": [value - 0.01 for value in adapter]}
    folder = write_proof(tmp_path, base_logprobs=base, adapter_logprobs=adapter, without=without)
    honest = [value + (0.05 if place % 2 else -0.05) for place, value in enumerate(adapter)]
    await load(ServingEngine(honest), folder)
    with pytest.raises(EngineError, match=r"it lacks q_proj\)"):
        await load(ServingEngine(without["q_proj"]), folder)


async def test_an_adapter_that_cannot_be_told_from_base_is_refused(tmp_path: Path) -> None:
    base = BASE * 20
    moved = [value + 0.02 for value in base]
    folder = write_proof(tmp_path, base_logprobs=base, adapter_logprobs=moved)
    with pytest.raises(EngineError, match="cannot be told from the base model"):
        await load(ServingEngine(moved), folder)


async def test_a_neighbour_that_moved_less_far_is_refused(tmp_path: Path) -> None:
    base, adapter = BASE * 20, [value + 0.3 for value in BASE * 20]
    folder = write_proof(tmp_path, base_logprobs=base, adapter_logprobs=adapter)
    with pytest.raises(EngineError, match="not those of this adapter"):
        await load(ServingEngine([value - 0.09 for value in adapter]), folder)


async def test_an_adapter_that_was_never_finished_is_refused(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with pytest.raises(InvalidInput, match="has no manifest"):
        await load(ServingEngine(ADAPTER), folder)


async def test_files_that_differ_from_their_manifest_never_reach_the_engine(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"weightz")
    engine = ServingEngine(ADAPTER)
    with pytest.raises(InvalidInput, match="differs from its manifest"):
        await load(engine, folder)
    assert await engine.loaded_adapters() == {}


async def test_weights_that_the_record_does_not_know_never_reach_the_engine(folder: Path) -> None:
    engine = ServingEngine(ADAPTER)
    with pytest.raises(InvalidInput, match="other weights than the record says"):
        await load(engine, folder, content_hash="another")
    assert await engine.loaded_adapters() == {}


async def test_a_name_that_is_loaded_from_another_folder_is_not_trusted(folder: Path, tmp_path: Path) -> None:
    engine = ServingEngine(ADAPTER)
    await engine.load_adapter("support@1", tmp_path / "elsewhere")
    with pytest.raises(Busy, match="loaded from another folder"):
        await load(engine, folder)


async def test_a_name_that_is_loaded_already_is_proved_all_the_same(folder: Path) -> None:
    engine = ServingEngine(BASE)
    await engine.load_adapter("support@1", folder)
    with pytest.raises(EngineError, match="not those of this adapter"):
        await load(engine, folder)
    assert await engine.loaded_adapters() == {}


@pytest.mark.parametrize("apart", [0.07, 0.01])
async def test_a_neighbouring_checkpoint_is_refused_where_it_can_be_told(
    tmp_path: Path, apart: float, caplog: pytest.LogCaptureFixture
) -> None:
    """Over 60 tokens .07 nats are told apart and .01 are not: that is the limit, and it is said."""
    base, adapter = BASE * 20, ADAPTER * 20
    step = {"the steps behind 10": [value + apart * (1 if place % 2 else -1) for place, value in enumerate(adapter)]}
    folder = write_proof(tmp_path, base_logprobs=base, adapter_logprobs=adapter, without=step)
    neighbour = ServingEngine(step["the steps behind 10"])
    if apart * len(adapter) ** 0.5 / NOISE < SEPARATION:
        with caplog.at_level(logging.INFO):
            await load(neighbour, folder)
        assert "too little to be seen: the steps behind 10" in caplog.text
    else:
        with pytest.raises(EngineError, match="it lacks the steps behind 10"):
            await load(neighbour, folder)
