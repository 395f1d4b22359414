from collections.abc import Awaitable, Callable
from typing import Any

import httpx

Nightschool = Callable[..., Awaitable[Any]]


async def give(client: httpx.AsyncClient, **scores: object) -> str:
    body = {"model": "support", "messages": [{"role": "user", "content": "Where is it?"}]}
    reply = await client.post("/v1/chat/completions", json=body)
    completion_id: str = reply.json()["id"]
    for about in ({"completion_id": completion_id}, {"conversation_id": reply.headers["x-nightschool-conversation"]}):
        assert (await client.post("/v1/feedback", json=about | {"scores": scores})).status_code == 200
    return completion_id


async def test_scores_shows_what_they_come_to(client: httpx.AsyncClient, nightschool: Nightschool) -> None:
    assert "no scores yet" in (await nightschool("scores")).err
    for tone in ("warm", "warm", "cool", "a", "b", "c"):
        await give(client, resolved=tone == "warm", accuracy=0.25, tone=tone)
    shown = await nightschool("scores", "--bot", "support")
    assert shown.code == 0
    lines = [line.split("\t") for line in shown.out.splitlines()]
    assert lines[0] == ["score", "of", "answered by", "times", "came to"]
    assert lines[1:4] == [
        ["accuracy", "answer", "support@base", "6", "mean 0.25"],
        ["accuracy", "conversation", "support@base", "6", "mean 0.25"],
        ["resolved", "answer", "support@base", "6", "33% true"],
    ]
    assert lines[5] == ["tone", "answer", "support@base", "6", "warm 33%, a 17%, b 17%, c 17%, others 17%"]
    found = (await nightschool("scores", "--json")).json
    assert [(one["name"], one["of"], one["count"]) for one in found[:2]] == [
        ("accuracy", "answer", 6), ("accuracy", "conversation", 6),
    ]  # fmt: skip
    assert (await nightschool("scores", "--bot", "nobody")).code == 3
    assert (await client.get("/ops/scores")).status_code == 403


async def test_a_trace_of_an_answer_tells_its_scores(client: httpx.AsyncClient, nightschool: Nightschool) -> None:
    answer = await give(client, accuracy=0.25, tone="warm", resolved=True)
    told = (await nightschool("trace", answer)).out
    for line in (
        "scored accuracy: 0.25 by key:reader", 'scored tone: "warm" by', "scored resolved: true by",
        "scored accuracy of the conversation: 0.25 by",
    ):  # fmt: skip
        assert line in told
