"""GET /widget.js: one line of HTML by which another site shows the chat in a bubble. See docs/widget.md.

The script knows the sites that may, and its visitor's words; the gate holds every browser to it (`frame-ancestors`).
Does not know the page that is framed, nor who its visitors are.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from serve.spoken import words_for
from serve.words.catalogue import Words

FRAME: Final = "/widget"
"""Below it stands the chat page as others may frame it."""
SCRIPT: Final = Path(__file__).with_suffix(".js")
HEADERS: Final = {
    "cache-control": "max-age=300",
    "vary": "accept-language",
    "x-content-type-options": "nosniff",
    # For sites that load nothing which does not say so.
    "cross-origin-resource-policy": "cross-origin",
}


def widget_router(origins: Sequence[str]) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    script = SCRIPT.read_text(encoding="utf-8").replace("ORIGINS", json.dumps(list(origins)))

    @router.get(f"{FRAME}.js")
    async def widget(request: Request) -> Response:
        spoken = write_script(script, words_for(request.scope))
        return Response(spoken, media_type="text/javascript", headers=HEADERS)

    @router.get(FRAME)
    async def to_frame() -> RedirectResponse:
        return RedirectResponse(f"{FRAME}/", status_code=307)

    return router


def write_script(script: str, words: Words) -> str:
    return script.replace("WORDS", json.dumps({"code": words.code, **asdict(words.widget)}))
