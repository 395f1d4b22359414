"""
title: Thumbs to Nightschool
description: Sends thumbs, with their reason and comment, to the Nightschool server whose answers they are about.
version: 0.1.0
requirements: httpx
"""

# An event function of Open WebUI (0.12): paste it under Admin Panel > Functions, fill in its valves, switch it on.
# docs/clients.md says which headers the connection needs.

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import BaseModel, Field

EVENTS = ("feedback.created", "feedback.updated")
VOTES = {"1": "up", "-1": "down"}
TIMEOUT_S = 10


class Event:
    class Valves(BaseModel):
        url: str = Field(default="http://127.0.0.1:7860/v1", description="The connection's URL")
        api_key: str = Field(default="", description="The connection's key")

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def event(self, event: dict[str, Any]) -> None:
        if event["event"] in EVENTS:
            from open_webui.models.feedbacks import Feedbacks  # noqa: PLC0415 - only Open WebUI has it

            if feedback := await Feedbacks.get_feedback_by_id(event["subject"]["id"]):
                await send_thumb(self.valves, feedback.data or {}, feedback.meta or {})


async def send_thumb(valves: Event.Valves, thumb: Mapping[str, Any], about: Mapping[str, Any]) -> int:
    """How many votes were sent: none where the message is no answer of this server."""
    headers = {"Authorization": f"Bearer {valves.api_key}"}
    wanted = {"metadata[message]": str(about.get("message_id")), "order": "desc", "limit": "1"}
    async with httpx.AsyncClient(base_url=valves.url, headers=headers, timeout=TIMEOUT_S) as client:
        found = (await client.get("chat/completions", params=wanted)).raise_for_status().json()["data"]
        for completion in found:
            opinion = {
                "completion_id": completion["id"],
                "vote": VOTES.get(str(thumb.get("rating")), "none"),
                "reasons": [str(thumb["reason"])[:200]] if thumb.get("reason") else [],
                "comment": thumb.get("comment") or "",
            }
            (await client.post("feedback", json=opinion)).raise_for_status()
    return len(found)
