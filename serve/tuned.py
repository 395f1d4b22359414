"""Models that came of callers' jobs: found by their names, listed, deleted, each for its owner and for operators.

Each is a bot of its own without a system prompt: what a job's rows did not say, nobody says at serving. Does not know
HTTP, nor how a model came about.
"""

import asyncio
import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

from collect import jobs, registry, tuned_models
from collect.store import Store
from collect.tuned_models import TunedModel
from deploy.job_work import is_of_job
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
            raise await self._missing(name, owner=owner)
        return model

    async def _missing(self, name: str, *, owner: str | None) -> UnknownModel:
        """Why there is no such model: it may be one of a job under way."""
        unfinished = await self._store.read(partial(jobs.unfinished_jobs, owner=owner))
        job = next((job for job in unfinished if is_of_job(name, job)), None)
        if job is None:
            problem, remedy = "does not exist or is not yours", "GET /v1/models lists what there is."
        else:
            problem, remedy = f"is of {job.job_id}, which is {job.state}", "It answers once the job has succeeded."
        return UnknownModel(problem, subject=repr(name[:200]), remedy=remedy, param="model")

    async def adapter_of(self, model: TunedModel) -> Adapter:
        return await self._store.read(partial(registry.adapter, bot=model.lineage, version=model.version))

    async def open(self, name: str, *, owner: str | None) -> FoundTuned:
        """The model, loaded where it was not. Raises UnknownModel, and what a failed load raises."""
        model = await self.find(name, owner=owner)
        route = await self._rollout.route_to(model.lineage, model.version)
        return FoundTuned(Bot(name=model.lineage, title=model.lineage, system_prompt=""), route)

    async def delete(self, name: str, *, owner: str | None, actor: str) -> None:
        """For good, weights and all; a job's model takes its checkpoints along.

        Raises UnknownModel, and Busy while one of them answers.
        """
        model = await self.find(name, owner=owner)
        models = await self._store.read(partial(tuned_models.models_of_job, job_id=model.job_id))
        doomed = [model] if model.is_checkpoint else models
        adapters = [await self.adapter_of(one) for one in doomed]
        for adapter in adapters:
            await self._rollout.unload(adapter)
        await self._store.write(partial(tuned_models.delete_models, names=[one.name for one in doomed]))
        for adapter in adapters:
            if adapter.stage is not Stage.RETIRED:
                await self._rollout.retire(adapter, actor=actor, reason=f"{name} was deleted")
        paths = [self._home.adapters(model.lineage), self._home.proofs(model.lineage)]
        if model.is_checkpoint:
            # Equal weights lie in one folder.
            needed = {(await self.adapter_of(one)).content_hash for one in models if one != model}
            gone = {adapter.content_hash for adapter in adapters} - needed
            paths = [at(model.lineage, weights) for weights in gone for at in (self._home.adapter, self._home.proof)]
        await asyncio.to_thread(_remove, paths)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
