"""What every kind of training leaves is served by a real vLLM and proved: 4 bits, upper layers, a whole model."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deploy.proof import AdapterFiles, Distances, measure_load
from nightschool.errors import EngineError
from nightschool.files import verify
from nightschool.prompt import Template
from serve.vllm.client import VllmEngine, connect_engine
from tune.passes import find_kept
from tune.recipe import Recipe, write_recipe
from tune.train import train

from ...tune.school import write_school
from .conftest import ADAPTERS, MARKERS
from .test_lora_cpu_engine import LIMIT

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import RunningEngine, TinyModels

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]

LEARNERS: dict[str, dict[str, Any]] = {
    "qlora": {"adapter": "qlora"},
    "top": {"layers_share": 0.5, "keeps_passes": 2},
    "full": {"adapter": "full", "learning_rate": 2e-3},
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_models: "TinyModels") -> dict[str, Path]:
    """A short training of each kind, on the model that the engine serves."""
    root = tmp_path_factory.mktemp("learners")
    dataset = write_school(root / "dataset", lessons=8, pairs=0, up=0, down=0)
    given: dict[str, Any] = {
        "base_model": str(tiny_models.base), "dataset": str(dataset), "epochs": 4, "learning_rate": 1e-2, "rank": 8,
        "alpha": 16, "batch_size": 4, "micro_batch_size": 4, "max_tokens": 200, "device": "cpu",
    }  # fmt: skip
    for name, changes in LEARNERS.items():
        write_recipe(root / name, Recipe.model_validate(given | changes))
        train(root / name)
    return {name: root / name for name in LEARNERS}


@pytest.fixture(scope="module")
def room(engine: "RunningEngine") -> Iterator["RunningEngine"]:
    """The engine with its slots free; at the end it has what it had."""
    for name in ADAPTERS:
        engine.unload(name)
    yield engine
    for name in ADAPTERS:
        engine.load(name)


async def load(client: VllmEngine, name: str, run: Path) -> Distances:
    files = AdapterFiles(run / "adapter", run / "proof.json", verify(run / "adapter").content_hash)
    await client.load_adapter(name, files.folder)
    return await measure_load(client, name, files)


async def test_adapters_of_every_learner_are_served_together_and_proved(
    room: "RunningEngine", runs: dict[str, Path]
) -> None:
    async with connect_engine(socket=room.socket, timeout_s=120, template=Template(MARKERS)) as client:
        try:
            for name, run in runs.items():
                assert (await load(client, name, run)).to_adapter < LIMIT
            # Once more, all of them in one batch.
            proved = [AdapterFiles(run / "adapter", run / "proof.json", "") for run in runs.values()]
            together = await asyncio.gather(*(measure_load(client, *one) for one in zip(runs, proved, strict=True)))
            assert all(found.to_adapter < LIMIT for found in together)
            with pytest.raises(EngineError, match="not those of this adapter"):
                await measure_load(client, "qlora", proved[1])
        finally:
            for name in runs:
                await client.unload_adapter(name)


async def test_an_earlier_pass_is_served_and_proved_as_the_last_one_is(
    room: "RunningEngine", runs: dict[str, Path]
) -> None:
    async with connect_engine(socket=room.socket, timeout_s=120, template=Template(MARKERS)) as client:
        try:
            assert (await load(client, "early", find_kept(runs["top"])[0].folder)).to_adapter < LIMIT
        finally:
            await client.unload_adapter("early")
