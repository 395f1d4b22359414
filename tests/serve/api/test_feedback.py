from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest

from collect import keys
from nightschool.records import utc_now
from nightschool.settings import ServerSettings
from serve.parts import Parts


async def answered(client: httpx.AsyncClient) -> str:
    body = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
    completion_id: str = (await client.post("/v1/chat/completions", json=body)).json()["id"]
    return completion_id


async def vote(client: httpx.AsyncClient, completion_id: str, **said: Any) -> httpx.Response:
    return await client.post("/v1/feedback", json={"completion_id": completion_id, **said})


async def test_a_vote_comes_back_as_it_is_stored(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    said = {"vote": "down", "reasons": ["wrong", "rude"], "comment": "No.", "ideal_answer": "Yes."}
    row = (await vote(client, completion_id, **said)).json()
    voted_at = datetime.fromisoformat(row.pop("voted_at"))
    assert abs((datetime.now(UTC) - voted_at).total_seconds()) < 60
    assert row == {"completion_id": completion_id, "bot": "support", "version": "support@base", **said}
    assert (await client.get(f"/v1/feedback/{completion_id}")).json() | {"voted_at": None} == row | {"voted_at": None}


async def test_what_is_not_said_again_stays(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    await vote(client, completion_id, vote="up", reasons=["clear"], comment="Good")
    row = (await vote(client, completion_id, ideal_answer="Better")).json()
    assert (row["vote"], row["reasons"], row["comment"], row["ideal_answer"]) == ("up", ["clear"], "Good", "Better")
    row = (await vote(client, completion_id, vote="up", comment=None)).json()
    assert (row["vote"], row["comment"]) == ("up", "Good")


async def test_a_like_keeps_nothing_of_the_dislike_before_it(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    await vote(client, completion_id, vote="down", reasons=["wrong"], comment="No.", ideal_answer="Better")
    row = (await vote(client, completion_id, vote="up")).json()
    assert (row["reasons"], row["comment"], row["ideal_answer"]) == ([], "", "")


async def test_the_same_vote_again_is_the_same_row_and_counts_once(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    rows = [(await vote(client, completion_id, vote="up")).json() for _ in range(3)]
    assert rows[0] == rows[1] == rows[2]
    assert 'nightschool_votes_total{bot="support",vote="up"} 1.0' in (await client.get("/metrics")).text


class TestPace:
    @pytest.fixture
    def server_settings(self) -> ServerSettings:
        return ServerSettings(requests_per_minute=2)

    async def test_votes_have_a_pace_of_their_own(self, client: httpx.AsyncClient) -> None:
        completion_id = await answered(client)
        replies = [await vote(client, completion_id, comment=str(number)) for number in range(3)]
        assert [reply.status_code for reply in replies] == [200, 200, 429]
        assert replies[-1].json()["error"]["code"] == "rate_limit_exceeded"
        assert 0 < int(replies[-1].headers["Retry-After"]) <= 60
        assert await answered(client)


async def test_only_who_asked_may_vote_and_an_operator(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, anonymous: httpx.AsyncClient, parts: Parts
) -> None:
    completion_id = await answered(client)
    other = await parts.store.write(partial(keys.create_key, name="other", scope="user", at=utc_now()))
    anonymous.headers["Authorization"] = f"Bearer {other}"
    refused = await vote(anonymous, completion_id, vote="up")
    assert (refused.status_code, refused.json()["error"]["param"]) == (404, "completion_id")
    assert (await anonymous.get(f"/v1/feedback/{completion_id}")).status_code == 404
    assert (await vote(operator, completion_id, vote="up")).json()["vote"] == "up"
    # The operator's opinion is not the asker's.
    assert (await client.get(f"/v1/feedback/{completion_id}")).status_code == 404


async def test_what_is_no_vote_is_refused_by_name(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"vote": "sideways"}, "vote"),
        ({"vote": True}, "vote"),
        ({"reasons": "clear"}, "reasons"),
        ({"reasons": ["r"] * 11}, "reasons"),
        ({"reasons": ["r" * 201]}, "reasons"),
        ({"comment": "c" * 20_001}, "comment"),
        ({"ideal_answer": "c" * 20_001}, "ideal_answer"),
        ({"stars": 5}, "stars"),
        ({"completion_id": None}, "completion_id"),
    ]
    for said, param in cases:
        reply = await client.post("/v1/feedback", json={"completion_id": completion_id, "vote": "up"} | said)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
    assert (await client.get(f"/v1/feedback/{completion_id}")).status_code == 404


async def test_an_answer_that_is_not_there_is_404(client: httpx.AsyncClient) -> None:
    for completion_id in ("nothing", "", "\0", "'; drop table feedback; --"):
        reply = await vote(client, completion_id, vote="up")
        assert (reply.status_code, reply.json()["error"]["param"]) == (404, "completion_id")
