"""/v1/files as OpenAI has it: files to train on, and what trainings left.

Does not know what makes a file a good one (`tune.training_file`).
"""

from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import FileResponse

from collect.files import StoredFile
from serve.api.auth import Caller, require_key
from serve.api.faults import BadParameter
from serve.api.receiving import Room
from serve.api.uploads import receive_upload
from serve.files import check_purpose
from serve.pace import Pace
from serve.parts import Parts

MAX_PAGE: Final = 10_000


def files_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)
    files = parts.files
    room = Room(parts.home.temp, parts.settings.night.min_free_bytes, growth=1, subject="file")
    limit_pace = Pace(parts.settings.server.requests_per_minute)

    @router.post("/v1/files")
    async def upload(request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        limit_pace.spend(caller.owner)
        sent = await receive_upload(request, room=room, max_bytes=files.limits.max_file_bytes)
        try:
            purpose = _purpose(dict(sent.fields))
            file = await files.take_in(sent.file, filename=sent.filename, purpose=purpose, owner=caller.owner)
        finally:
            sent.file.unlink(missing_ok=True)
        return file_card(file)

    @router.get("/v1/files")
    async def list_files(
        purpose: str | None = None,
        after: str | None = None,
        limit: str = str(MAX_PAGE),
        order: str = "desc",
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        page = await files.list(
            owner=caller.owner,
            purpose=purpose,
            after=after,
            limit=page_limit(limit, largest=MAX_PAGE),
            is_newest_first=is_newest_first(order),
        )
        cards = [file_card(file) for file in page.files]
        return {
            "object": "list",
            "data": cards,
            "has_more": page.has_more,
            "first_id": cards[0]["id"] if cards else None,
            "last_id": cards[-1]["id"] if cards else None,
        }

    @router.get("/v1/files/{file_id:path}/content", response_class=FileResponse)
    async def content(file_id: str, caller: Caller = Depends(authorise)) -> FileResponse:
        file = await files.find(file_id, owner=caller.owner)
        return FileResponse(files.place_of(file), media_type="application/octet-stream")

    @router.get("/v1/files/{file_id:path}")
    async def show(file_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return file_card(await files.find(file_id, owner=caller.owner))

    @router.delete("/v1/files/{file_id:path}")
    async def delete(file_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        await files.delete(file_id, owner=caller.owner)
        return {"id": file_id, "object": "file", "deleted": True}

    return router


def page_limit(text: str, *, largest: int) -> int:
    """Raises BadParameter for what is no number from 1 to `largest`."""
    if text.isascii() and text.isdecimal() and len(text) < 9 and 1 <= int(text) <= largest:
        return int(text)
    raise BadParameter(f"must be a number from 1 to {largest}", param="limit", openai_code="invalid_value")


def is_newest_first(order: str) -> bool:
    """Raises BadParameter for what is no order."""
    if order not in {"asc", "desc"}:
        raise BadParameter("must be asc or desc", param="order", openai_code="invalid_value")
    return order == "desc"


def _purpose(fields: dict[str, str]) -> str:
    """The one field beside the file. Raises BadParameter, InvalidInput."""
    purpose = fields.pop("purpose", None)
    for name in fields:
        raise BadParameter("is not a parameter here", param=name[:80], openai_code="unknown_parameter")
    if purpose is None:
        raise BadParameter("is missing", param="purpose", openai_code="missing_required_parameter")
    check_purpose(purpose)
    return purpose


def file_card(file: StoredFile) -> dict[str, Any]:
    """OpenAI's object, and beside it what the look at the file found."""
    return {
        "id": file.file_id,
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": None,
        "filename": Path(file.filename).name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
        "nightschool": dict(file.about),
    }
