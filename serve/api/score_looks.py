"""GET /ops/scores: what named scores come to, by who answered."""

from dataclasses import asdict
from functools import partial
from typing import Any

from fastapi import APIRouter, Request

from collect.score_figures import ScoreFigures, score_figures
from nightschool.records import AdapterName, BotName
from serve.api.connection import ask
from serve.parts import Parts


def add_scores(router: APIRouter, parts: Parts) -> None:
    @router.get("/scores")
    async def scores(request: Request, bot: str | None = None) -> list[dict[str, Any]]:
        name = parts.shelf.find(bot).bot_name if bot else None
        return [_row(one) for one in await ask(request, parts.store, partial(score_figures, bot=name))]


def _row(one: ScoreFigures) -> dict[str, Any]:
    """With who answered in one word: `support@3`, `support@base`, `support@verified`, `support@import`."""
    answered_by = f"{one.bot}@{one.other}" if one.other else str(AdapterName(BotName(one.bot), one.version))
    return asdict(one) | {"answered_by": answered_by}
