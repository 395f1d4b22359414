"""Operators erase over HTTP, a user's key does not; what is gone is gone for whoever asked for it."""

import httpx

from serve.parts import Parts


async def ask(client: httpx.AsyncClient) -> str:
    body = {"model": "support", "messages": [{"role": "user", "content": "Where is Quendolyn's parcel?"}]}
    return str((await client.post("/v1/chat/completions", json=body)).json()["id"])


async def test_an_operator_erases_all_that_a_key_said(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, parts: Parts
) -> None:
    completion = await ask(client)
    await client.post("/v1/feedback", json={"completion_id": completion, "vote": "down", "comment": "no"})
    owner = await parts.store.read(lambda cursor: cursor.execute("select owner from conversations").fetchall())
    [(user,)] = owner
    assert (await client.post("/ops/erase", json={"user": user})).status_code == 403
    done = (await operator.post("/ops/erase", json={"user": user, "reason": "a letter"})).json()
    assert (done["conversations"], done["messages"], done["is_whole"]) == (1, 2, True)
    assert (await client.get(f"/v1/feedback/{completion}")).status_code == 404
    told = (await operator.get(f"/ops/erasures/{done['erasure']}")).json()
    assert told == done["certificate"]
    assert told["rows"]["messages"]["rows"] == 2
    assert not any(b"Quendolyn" in file.read_bytes() for file in parts.home.root.rglob("*") if file.is_file())


async def test_what_cannot_be_erased_is_told(operator: httpx.AsyncClient) -> None:
    for body, status in (({}, 400), ({"user": "a", "conversation": "b"}, 400), ({"user": "nobody"}, 404)):
        assert (await operator.post("/ops/erase", json=body)).status_code == status
    assert (await operator.get("/ops/erasures/none")).status_code == 404
