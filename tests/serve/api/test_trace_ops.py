"""Operators ask over HTTP where something went and who was live; a user's key does not."""

import httpx


async def test_an_operator_follows_an_answer_and_looks_back(
    client: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    body = {"model": "support", "messages": [{"role": "user", "content": "Where is it?"}]}
    answer = (await client.post("/v1/chat/completions", json=body)).json()["id"]
    assert (await client.get("/ops/trace", params={"subject": answer})).status_code == 403
    found = (await operator.get("/ops/trace", params={"subject": answer})).json()
    assert (found["answer"]["answered_by"], found["datasets"]) == ("support@base", [])
    assert found["answer"]["system_prompt"] == "You are Fern."
    assert (await operator.get("/ops/trace", params={"subject": "../x"})).status_code == 404
    live = (await operator.get("/ops/live", params={"bot": "support", "at": "2026-11-20T03:00"})).json()
    assert (live["name"], live["since"]) == ("support@base", None)
