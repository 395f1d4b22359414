import httpx
import pytest

from nightschool.settings import ServerSettings

BODY = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def server_settings() -> ServerSettings:
    return ServerSettings(requests_per_minute=2)


async def test_who_asks_too_often_has_to_wait_and_others_do_not(
    client: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    for _ in range(2):
        assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 200
    refused = await client.post("/v1/chat/completions", json=BODY)
    assert (refused.status_code, refused.json()["error"]["type"]) == (429, "rate_limit_error")
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 61
    assert (await operator.post("/v1/chat/completions", json=BODY)).status_code == 200
    # Looking and voting cost no answer.
    assert (await client.get("/v1/models")).status_code == 200


async def test_what_was_refused_for_its_words_is_not_counted(client: httpx.AsyncClient) -> None:
    for _ in range(5):
        assert (await client.post("/v1/chat/completions", json=BODY | {"n": 0})).status_code == 400
    assert (await client.post("/v1/chat/completions", json=BODY)).status_code == 200
