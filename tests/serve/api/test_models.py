from collections.abc import Awaitable, Callable

import httpx

from nightschool.records import Adapter, Stage

Register = Callable[..., Awaitable[Adapter]]


async def test_a_user_sees_the_bots_and_nothing_else(client: httpx.AsyncClient, register: Register) -> None:
    await register("support", version=1)
    reply = (await client.get("/v1/models")).json()
    assert reply["object"] == "list"
    assert [card["id"] for card in reply["data"]] == ["reviewer", "support"]
    assert {"id": "support", "object": "model", "created": 0, "owned_by": "nightschool"} in reply["data"]


async def test_an_operator_sees_every_version_that_can_be_asked(
    operator: httpx.AsyncClient, register: Register
) -> None:
    await register("support", version=1)
    await register("support", version=2, stage=Stage.TAINTED)
    cards = (await operator.get("/v1/models")).json()["data"]
    assert {card["id"] for card in cards} == {"reviewer", "support", "reviewer@base", "support@base", "support@1"}
    [version] = [card for card in cards if card["id"] == "support@1"]
    assert version["created"] > 1_700_000_000


async def test_one_model_by_its_name(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, register: Register
) -> None:
    await register("support", version=1)
    assert (await client.get("/v1/models/support")).json()["id"] == "support"
    assert (await operator.get("/v1/models/support@1")).json()["id"] == "support@1"
    refused = await client.get("/v1/models/support@1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    for path in ("nobody", "support@9", "../../etc/passwd", "a/b/c", "%00", "%ED%A0%80"):
        missing = await operator.get(f"/v1/models/{path}")
        assert missing.status_code == 404
        assert missing.json()["error"]["type"] == "invalid_request_error"
