"""GET /widget.js: one line of HTML by which another site shows the chat in a bubble. See docs/widget.md.

The script knows the sites that may; the gate holds every browser to it (`frame-ancestors`). Does not know the page that
is framed, nor who its visitors are.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

FRAME: Final = "/widget"
"""Below it stands the chat page as others may frame it."""
SCRIPT: Final = Path(__file__).with_suffix(".js")
HEADERS: Final = {
    "cache-control": "max-age=300",
    "x-content-type-options": "nosniff",
    # For sites that load nothing which does not say so.
    "cross-origin-resource-policy": "cross-origin",
}


def widget_router(origins: Sequence[str]) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    script = SCRIPT.read_text().replace("ORIGINS", json.dumps(list(origins)))

    @router.get(f"{FRAME}.js")
    async def widget() -> Response:
        return Response(script, media_type="text/javascript", headers=HEADERS)

    @router.get(FRAME)
    async def to_frame() -> RedirectResponse:
        return RedirectResponse(f"{FRAME}/", status_code=307)

    return router
