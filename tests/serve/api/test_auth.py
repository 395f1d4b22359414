import itertools
from functools import partial

import httpx

from collect import keys
from nightschool.records import utc_now
from serve.parts import Parts

BODY = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}


HEADERS = [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer ns-wrong", "ns-wrong", "Bearer \xff\xfe", "bearer\tx"]
ENDPOINTS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/support"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/feedback"),
    ("GET", "/v1/feedback/1"),
]


async def test_without_a_key_that_stands_nothing_under_v1_answers(anonymous: httpx.AsyncClient) -> None:
    for header, (method, path) in itertools.product(HEADERS, ENDPOINTS):
        headers = [] if header is None else [(b"Authorization", header.encode("latin-1"))]
        reply = await anonymous.request(method, path, headers=headers, json=BODY if method == "POST" else None)
        assert reply.status_code == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert reply.json()["error"]["type"] == "authentication_error"
        assert reply.json()["error"]["code"] == "invalid_api_key"


async def test_a_revoked_key_opens_nothing_more_at_once(client: httpx.AsyncClient, parts: Parts) -> None:
    assert (await client.get("/v1/models")).status_code == 200
    await parts.store.write(partial(keys.revoke_key, name="reader", at=utc_now()))
    assert (await client.get("/v1/models")).status_code == 401
    assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 401


async def test_the_schemes_name_may_be_written_as_one_likes(anonymous: httpx.AsyncClient, user_key: str) -> None:
    for scheme in ("bearer", "BEARER"):
        reply = await anonymous.get("/v1/models", headers={"Authorization": f"{scheme} {user_key}"})
        assert reply.status_code == 200


async def test_a_users_key_does_not_open_what_is_an_operators(
    client: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    refused = await client.get("/ops/adapters")
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert (await operator.get("/ops/adapters")).status_code == 200
