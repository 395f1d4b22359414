"""Models that came of callers' jobs: found by their names, listed, deleted, each for its owner and for operators.

Each is a bot of its own without a system prompt: what a job's rows did not say, nobody says at serving. Does not know
HTTP, nor how a model came about.
"""

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

from collect import registry, tuned_models
from collect.store import Store
from collect.tuned_models import TunedModel
from deploy.rollout import Rollout, Route
from nightschool.bots import Bot
from nightschool.errors import UnknownModel
from nightschool.home import Home
from nightschool.records import Adapter, Stage

PREFIX = "ft:"


class FoundTuned(NamedTuple):
    bot: Bot
    route: Route


class TunedModels:
    """`owner` None is an operator's look, who sees everybody's."""

    def __init__(self, store: Store, rollout: Rollout, home: Home) -> None:
        self._store = store
        self._rollout = rollout
        self._home = home

    async def list(self, *, owner: str | None) -> list[TunedModel]:
        return await self._store.read(partial(tuned_models.list_models, owner=owner))

    async def find(self, name: str, *, owner: str | None) -> TunedModel:
        """Raises UnknownModel, also where it is somebody else's."""
        model = await self._store.read(partial(tuned_models.find_model, name=name, owner=owner))
        if model is None:
            raise UnknownModel(
                "does not exist or is not yours",
                subject=repr(name[:200]),
                remedy="GET /v1/models lists what there is.",
                param="model",
            )
        return model

    async def adapter_of(self, model: TunedModel) -> Adapter:
        return await self._store.read(partial(registry.adapter, bot=model.lineage, version=model.version))

    async def open(self, name: str, *, owner: str | None) -> FoundTuned:
        """The model, loaded where it was not. Raises UnknownModel, and what a failed load raises."""
        model = await self.find(name, owner=owner)
        route = await self._rollout.route_to(model.lineage, model.version)
        return FoundTuned(Bot(name=model.lineage, title=model.lineage, system_prompt=""), route)

    async def delete(self, name: str, *, owner: str | None, actor: str) -> None:
        """For good, weights and all. Raises UnknownModel, Busy while it answers."""
        model = await self.find(name, owner=owner)
        adapter = await self.adapter_of(model)
        await self._rollout.unload(adapter)
        await self._store.write(partial(tuned_models.delete_model, name=name))
        if adapter.stage is not Stage.RETIRED:
            await self._rollout.retire(adapter, actor=actor, reason=f"{name} was deleted")
        folders = [self._home.adapters(model.lineage), self._home.proofs(model.lineage)]
        await asyncio.to_thread(_remove, folders)


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
