"""A browser with the chat page open, driven by the page's own protocol: an event is queued, its stream read to the end.

Does not know what is measured, nor who answers. Its `http` client keeps the cookie by which the server knows it again.
"""

import json
import os
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Visitor:
    """One browser with the page open."""

    http: httpx.AsyncClient
    bot: str = "support"
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name, the first of each: its `id`, and the ids of its `inputs` and `outputs`."""
    place: list[str] = field(default_factory=list)
    session: str = field(default_factory=lambda: os.urandom(8).hex())

    async def open(self) -> None:
        """The page, in no conversation."""
        (await self.http.get("/")).raise_for_status()
        for event in (await self.http.get("/config")).raise_for_status().json()["dependencies"]:
            self.events.setdefault(str(event["api_name"]), event)
        self.begin_anew()
        await self.happen("_open", self.place)

    def begin_anew(self) -> None:
        """The next question begins a conversation."""
        self.place = [self.bot, "", ""]

    async def ask(self, text: str) -> str:
        """A question, its answer to the end, and the page as it then stands. The answer's id."""
        answer = await self.happen("_ask", [*self.place, text, "", "", False])
        if answer[2]:
            raise SystemExit(f"the page says: {answer[2]}")
        page = await self.happen("_open", [self.bot, answer[1], ""])
        self.place = page[:3]
        return self.place[2].split()[-1]

    async def vote(self, *, is_liked: bool) -> None:
        """A thumb on the last answer."""
        liked = {"index": len(self.place[2].split()) - 1, "value": "", "liked": is_liked}
        await self.happen("_vote", self.place, about=liked)

    async def explain(self, message_id: str, *, ideal_answer: str) -> None:
        """What a disliked answer should have been, on the card that opens below it."""
        card = self.events["_vote"]["outputs"][2:]
        given = dict(zip(self.events["_vote"]["inputs"], self.place, strict=True))
        given |= dict(zip(card, [message_id, ["wrong"], "", ideal_answer], strict=True))
        await self.happen("_explain", [given[field] for field in self.events["_explain"]["inputs"]])

    async def happen(self, name: str, given: list[Any], *, about: object = None) -> list[Any]:
        """Queue an event and read its stream to the end. The last output."""
        (await self.join(name, given, session=self.session, about=about)).raise_for_status()
        output: list[Any] = []
        async with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            async for line in stream.aiter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    if not message["success"]:
                        raise SystemExit(f"the page's {name} failed: {message['output']}")
                    output = message["output"]["data"]
        return output

    async def join(self, name: str, given: list[Any], *, session: str, about: object = None) -> httpx.Response:
        body = {"fn_index": self.events[name]["id"], "data": given, "session_hash": session, "event_data": about}
        return await self.http.post("/gradio_api/queue/join", json={**body, "trigger_id": 1})
