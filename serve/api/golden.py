"""Golden cases over HTTP, below /ops: list, add, remove. Does not know what an exam does with them."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from serve.api.auth import Authority, Caller
from serve.api.bodies import read_body
from serve.parts import Parts

MAX_BODY_BYTES = 64_000


class CaseBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bot: str
    case: dict[str, Any]
    """As in a YAML file (`eval.suite.golden.GoldenCase`)."""


def add_golden(router: APIRouter, parts: Parts, operator: Authority) -> None:
    @router.get("/golden/{bot}")
    async def list_cases(bot: str) -> list[dict[str, Any]]:
        return [
            {"file": str(kept.file), "is_ours": kept.is_ours, "case": kept.case.model_dump(exclude_defaults=True)}
            for kept in await parts.golden.cases(bot)
        ]

    @router.post("/golden")
    async def add(request: Request, caller: Caller = Depends(operator)) -> dict[str, Any]:
        body = await read_body(request, CaseBody, max_bytes=MAX_BODY_BYTES)
        case = await parts.golden.add(body.bot, body.case, actor=caller.actor)
        return {"bot": body.bot, "case": case.model_dump(exclude_defaults=True)}

    @router.delete("/golden/{bot}/{case_id:path}")
    async def remove(bot: str, case_id: str, caller: Caller = Depends(operator)) -> dict[str, Any]:
        await parts.golden.remove(bot, case_id, actor=caller.actor)
        return {"bot": bot, "id": case_id, "is_removed": True}
