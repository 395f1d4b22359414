from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from collect import keys
from collect.reviews import record_review
from nightschool.files import publish
from nightschool.records import Adapter, BotName, Review, utc_now
from nightschool.settings import ServerSettings
from serve.parts import Parts

from ...tables import write_table

Register = Callable[..., Awaitable[Adapter]]


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
    assert row.pop("conversation_id")
    assert row == {"completion_id": completion_id, "bot": "support", "version": "support@base", "scores": {}, **said}
    shown = (await client.get(f"/v1/feedback/{completion_id}")).json()
    assert shown.pop("became")["state"] == "waiting"
    del shown["conversation_id"]
    assert shown | {"voted_at": None} == row | {"voted_at": None}


async def test_a_version_from_outside_has_learnt_of_no_vote(client: httpx.AsyncClient, register: Register) -> None:
    completion_id = await answered(client)
    await vote(client, completion_id, vote="down")
    await register("support", version=1, dataset_hash="")
    assert (await client.get(f"/v1/feedback/{completion_id}")).json()["became"]["state"] == "waiting"


async def test_an_opinion_is_taken_back_with_all_that_it_said(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    assert (await client.delete(f"/v1/feedback/{completion_id}")).status_code == 404
    await vote(client, completion_id, vote="down", reasons=["wrong"], comment="No.", ideal_answer="Yes.")
    row = (await client.delete(f"/v1/feedback/{completion_id}")).json()
    assert (row["vote"], row["reasons"], row["comment"], row["ideal_answer"]) == ("none", [], "", "")
    assert (await client.get(f"/v1/feedback/{completion_id}")).json()["vote"] == "none"


async def test_a_vote_that_is_sent_again_does_not_undo_a_later_one(client: httpx.AsyncClient) -> None:
    completion_id = await answered(client)
    said, headers = {"completion_id": completion_id, "vote": "up"}, {"Idempotency-Key": "a-key"}
    first = await client.post("/v1/feedback", json=said, headers=headers)
    await vote(client, completion_id, vote="down")
    again = await client.post("/v1/feedback", json=said, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert (await client.get(f"/v1/feedback/{completion_id}")).json()["vote"] == "down"
    other = await client.post("/v1/feedback", json=said | {"vote": "down"}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")


async def test_a_vote_that_is_sent_again_after_a_restart_counts_as_said_then(
    client: httpx.AsyncClient, parts: Parts, app_of: Callable[[Parts], FastAPI]
) -> None:
    completion_id = await answered(client)
    said, headers = {"completion_id": completion_id, "vote": "up"}, {"Idempotency-Key": "a-key", **client.headers}
    first = (await client.post("/v1/feedback", json=said, headers=headers)).json()

    async def after_a_restart() -> dict[str, Any]:
        restarted = httpx.ASGITransport(app_of(parts))
        async with httpx.AsyncClient(transport=restarted, base_url="http://nightschool", headers=headers) as again:
            row: dict[str, Any] = (await again.post("/v1/feedback", json=said)).json()
        return row

    assert await after_a_restart() == first
    await vote(client, completion_id, vote="down")
    assert (await after_a_restart())["vote"] == "up"


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


class TestWhatBecomesOfAVote:
    @staticmethod
    def keep(parts: Parts, completion_id: str, *, side: str | None) -> None:
        """The dataset of every version that `register` makes, with the vote on one side or in no row."""
        folder = parts.home.dataset(BotName("support"), "0" * 64)
        folder.mkdir(parents=True)
        other = {"kind": "sft", "side": "train", "votes": [{"message_id": completion_id, "voter": "key:another"}]}
        own = {"kind": "votes", "side": side, "votes": [{"message_id": completion_id, "voter": "key:reader"}]}
        write_table(folder / "items.parquet", [other, own] if side else [other])
        publish(folder, kind="dataset")

    @pytest.mark.parametrize(
        ("side", "state", "version"),
        [("train", "learnt", "support@1"), ("held-out", "held-out", "support@1"), (None, "left-out", None)],
    )
    async def test_whoever_cast_it_is_told_where_it_went(
        self, client: httpx.AsyncClient, parts: Parts, register: Register, *, side: str | None, state: str, version: str
    ) -> None:
        completion_id = await answered(client)
        await vote(client, completion_id, vote="up")
        for number in (1, 2):
            await register("support", version=number)
        self.keep(parts, completion_id, side=side)
        became = (await client.get(f"/v1/feedback/{completion_id}")).json()["became"]
        assert (became["state"], became["version"]) == (state, version)
        assert became["dataset"] == ("0" * 64 if side else None)
        if side == "train":
            assert became["why"] == "Learnt from this in version 1."
        await vote(client, completion_id, vote="none")
        assert (await client.get(f"/v1/feedback/{completion_id}")).json()["became"]["state"] == "taken-back"

    async def test_a_refusal_a_suggestion_and_what_is_not_kept_are_told_apart(
        self, client: httpx.AsyncClient, parts: Parts, register: Register
    ) -> None:
        completion_id = await answered(client)
        await vote(client, completion_id, vote="down", ideal_answer="Better")
        await register("support", version=1)

        async def became() -> tuple[str, str]:
            told = (await client.get(f"/v1/feedback/{completion_id}")).json()["became"]
            return told["state"], told["why"]

        assert (await became())[0] == "unknown"
        self.keep(parts, completion_id, side=None)
        assert await became() == ("left-out", "The answer that you suggested waits for an operator.")
        review = Review(completion_id, BotName("support"), "boss", False, "", (), utc_now())
        await parts.store.write(partial(record_review, review=review))
        assert await became() == ("left-out", "An operator kept this answer out of training.")

    async def test_a_reason_that_the_dataset_knows_is_told(
        self, client: httpx.AsyncClient, parts: Parts, register: Register
    ) -> None:
        completion_id = await answered(client)
        await vote(client, completion_id, vote="up")
        await register("support", version=1)
        self.keep(parts, completion_id, side=None)
        reasons = [
            {"message_id": completion_id, "voter": "key:another", "reason": "of somebody else"},
            {"message_id": completion_id, "voter": "key:reader", "reason": "votes cancel out"},
        ]
        write_table(parts.home.dataset(BotName("support"), "0" * 64) / "left_out.parquet", reasons)
        became = (await client.get(f"/v1/feedback/{completion_id}")).json()["became"]
        assert (became["state"], became["why"]) == ("left-out", "No row came of it: votes cancel out.")

    async def test_a_stranger_is_told_nothing(self, client: httpx.AsyncClient, parts: Parts, app: FastAPI) -> None:
        completion_id = await answered(client)
        await vote(client, completion_id, vote="up")
        other = await parts.store.write(partial(keys.create_key, name="another", scope="user", at=utc_now()))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://nightschool",
            headers={"Authorization": f"Bearer {other}"},
        ) as stranger:
            reply = await stranger.get(f"/v1/feedback/{completion_id}")
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
        assert "became" not in reply.text
