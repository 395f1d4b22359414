"""GET /v1/models, and which bot and version a caller means by a model's name.

A name is a bot's, a fine-tuned model's, or for an operator `bot@version`; it never reaches the engine as it was
written. Does not know which version is live (`deploy.rollout`).
"""

from functools import partial
from typing import Any, NamedTuple

from fastapi import APIRouter, Depends

from collect import registry
from collect.tuned_models import TunedModel
from deploy.rollout import Route
from nightschool.bots import Bot
from nightschool.errors import NotAllowed, NotFound, UnknownModel
from nightschool.records import AdapterName, Stage
from serve.api.auth import Caller, require_key
from serve.parts import Parts
from serve.tuned import PREFIX


class FoundModel(NamedTuple):
    bot: Bot
    route: Route | None
    """Set where one version was named; else the rollout decides."""


async def find_model(parts: Parts, model: str, caller: Caller) -> FoundModel:
    """Raises UnknownModel, and NotAllowed where a user names a version."""
    if model.startswith(PREFIX):
        return FoundModel(*await parts.tuned.open(model, owner=seen_by(caller)))
    name = AdapterName.parse(model)
    if name is None:
        return FoundModel(parts.shelf.find(model), None)
    bot = parts.shelf.find(name.bot)
    _check_may_name(caller, name)
    try:
        return FoundModel(bot, await parts.rollout.route_to(name.bot, name.version))
    except NotFound as error:
        raise _unknown(model) from error


def seen_by(caller: Caller) -> str | None:
    """Whose fine-tuned models a caller may see; None: everybody's."""
    return None if caller.is_operator else caller.owner


def models_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)

    async def cards(caller: Caller) -> list[dict[str, Any]]:
        bots = parts.shelf.bots
        tuned = [_tuned_card(model) for model in await parts.tuned.list(owner=seen_by(caller))]
        if not caller.is_operator:
            return [*(_card(name, created_s=0) for name in bots), *tuned]
        adapters = [
            adapter
            for adapter in await parts.store.read(partial(registry.adapters, bot=None))
            if adapter.bot in bots and adapter.stage is not Stage.TAINTED
        ]
        return [
            *(_card(name, created_s=0) for name in bots),
            *(_card(str(AdapterName(name, None)), created_s=0) for name in bots),
            *(_card(str(adapter.name), created_s=int(adapter.created_at.timestamp())) for adapter in adapters),
            *tuned,
        ]

    @router.get("/v1/models")
    async def list_models(caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return {"object": "list", "data": await cards(caller)}

    @router.get("/v1/models/{model:path}")
    async def show_model(model: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        if name := AdapterName.parse(model):
            _check_may_name(caller, name)
        if model.startswith(PREFIX):
            return _tuned_card(await parts.tuned.find(model, owner=seen_by(caller)))
        for card in await cards(caller):
            if card["id"] == model:
                return card
        raise _unknown(model)

    @router.delete("/v1/models/{model:path}")
    async def delete_model(model: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        if AdapterName.parse(model) or model in parts.shelf.bots:
            raise NotAllowed(
                "is no fine-tuned model, and only such are deleted", subject=model, remedy="See docs/fine-tuning.md."
            )
        await parts.tuned.delete(model, owner=seen_by(caller), actor=caller.actor)
        return {"id": model, "object": "model", "deleted": True}

    return router


def _check_may_name(caller: Caller, name: AdapterName) -> None:
    if not caller.is_operator:
        raise NotAllowed(
            "names a version, which an operator's key may only",
            subject=str(name),
            remedy=f"Ask for {name.bot}.",
            param="model",
        )


def _unknown(model: str) -> UnknownModel:
    return UnknownModel(
        "does not exist or is not yours",
        subject=repr(model),
        remedy="GET /v1/models lists what there is.",
        param="model",
    )


def _tuned_card(model: TunedModel) -> dict[str, Any]:
    return _card(model.name, created_s=int(model.created_at.timestamp()))


def _card(name: str, *, created_s: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created_s, "owned_by": "nightschool"}
