"""Named scores over the API, with the real client: of an answer and of a conversation, whose they are, what is none."""

import asyncio
import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect import keys
from nightschool.records import utc_now
from serve.parts import Parts
from serve.scoring import MAX_SCORES

ASKED: Final[list[openai.types.chat.ChatCompletionMessageParam]] = [{"role": "user", "content": "hello"}]
HEADER: Final = "x-nightschool-conversation"
SCORES: Final = {"resolved": True, "accuracy": 0.8, "tone": "friendly"}
PAGES: Final = Path(__file__).parents[3] / "docs"
SECTION: Final = "## Named scores"


async def answered(client: httpx.AsyncClient) -> tuple[str, str]:
    reply = await client.post("/v1/chat/completions", json={"model": "support", "messages": ASKED})
    return reply.json()["id"], reply.headers[HEADER]


async def give(client: httpx.AsyncClient, scores: object, **about: Any) -> httpx.Response:
    return await client.post("/v1/feedback", json={"scores": scores, **about})


def example_of(page: str, language: str) -> str:
    text = (PAGES / page).read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    [example] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(example)


def told(row: Mapping[str, Any]) -> object:
    return row["scores"]


async def test_the_real_client_scores_an_answer_and_its_conversation(mine: openai.AsyncOpenAI) -> None:
    raw = await mine.chat.completions.with_raw_response.create(model="support", messages=ASKED)
    completion, conversation_id = raw.parse(), raw.headers[HEADER]
    row: Any = await mine.post(
        "/feedback", body={"completion_id": completion.id, "vote": "up", "scores": SCORES}, cast_to=object
    )
    assert (row["vote"], row["scores"], row["conversation_id"]) == ("up", SCORES, conversation_id)
    whole: Any = await mine.post(
        "/feedback", body={"conversation_id": conversation_id, "scores": {"resolved": True}}, cast_to=object
    )
    assert (whole["conversation_id"], whole["bot"], whole["scores"]) == (conversation_id, "support", {"resolved": True})
    shown: Any = await mine.get(f"/feedback/conversations/{conversation_id}", cast_to=object)
    assert shown == whole
    # The next turn stands in the same conversation.
    said = completion.choices[0].message.model_dump()
    again = await mine.chat.completions.with_raw_response.create(
        model="support",
        messages=[*ASKED, said, ASKED[0]],  # type: ignore[list-item]  # as many programs do
    )
    assert again.headers[HEADER] == conversation_id


async def test_a_stream_names_its_conversation_and_each_choice_has_its_own(mine: openai.AsyncOpenAI) -> None:
    create = mine.chat.completions.with_raw_response.create
    streamed = await create(model="support", messages=ASKED, stream=True)
    assert streamed.headers[HEADER]
    several = await create(model="support", messages=ASKED, n=2)
    names = several.headers[HEADER].split(", ")
    assert len({*names, streamed.headers[HEADER]}) == 3
    for name in names:
        await mine.post("/feedback", body={"conversation_id": name, "scores": {"clear": False}}, cast_to=object)


async def test_scores_stand_beside_a_vote_and_are_taken_back_with_it(client: httpx.AsyncClient) -> None:
    completion_id, _ = await answered(client)
    path = f"/v1/feedback/{completion_id}"
    assert (await client.delete(path)).status_code == 404
    await give(client, SCORES, completion_id=completion_id, vote="up")
    row = (await give(client, {"accuracy": 0.9}, completion_id=completion_id)).json()
    assert (row["vote"], row["scores"]) == ("up", SCORES | {"accuracy": 0.9})
    row = (await client.post("/v1/feedback", json={"completion_id": completion_id, "vote": "down"})).json()
    assert (row["vote"], row["scores"]) == ("down", SCORES | {"accuracy": 0.9})
    row = (await client.delete(path, params={"score": "tone"})).json()
    assert (row["vote"], sorted(row["scores"])) == ("down", ["accuracy", "resolved"])
    missing = await client.delete(path, params={"score": "tone"})
    assert (missing.status_code, missing.json()["error"]["param"]) == (404, "score")
    row = (await client.delete(path)).json()
    assert (row["vote"], row["scores"]) == ("none", {})


async def test_scores_alone_are_no_vote(client: httpx.AsyncClient) -> None:
    completion_id, _ = await answered(client)
    path = f"/v1/feedback/{completion_id}"
    first = (await give(client, SCORES, completion_id=completion_id)).json()
    assert (first["vote"], first["scores"]) == ("none", SCORES)
    assert (await give(client, SCORES, completion_id=completion_id)).json() == first
    assert (await client.get(path)).json() == first | {"became": None}
    assert "nightschool_votes_total{" not in (await client.get("/metrics")).text
    assert (await client.delete(path)).json()["scores"] == {}
    assert (await client.get(path)).status_code == 404


async def test_a_conversation_s_scores_are_taken_back(client: httpx.AsyncClient) -> None:
    _, conversation_id = await answered(client)
    path = f"/v1/feedback/conversations/{conversation_id}"
    assert (await client.get(path)).status_code == 404
    row = (await give(client, SCORES, conversation_id=conversation_id)).json()
    assert (await give(client, SCORES, conversation_id=conversation_id)).json() == row
    assert told((await client.delete(path, params={"score": "tone"})).json()) == {"accuracy": 0.8, "resolved": True}
    gone = (await client.delete(path)).json()
    assert (gone["scores"], gone["voted_at"]) == ({}, None)
    assert (await client.delete(path)).status_code == 404


async def test_a_score_that_is_sent_again_does_not_undo_a_later_one(client: httpx.AsyncClient) -> None:
    _, conversation_id = await answered(client)
    said, headers = {"conversation_id": conversation_id, "scores": {"accuracy": 0.1}}, {"Idempotency-Key": "a-key"}
    first = await client.post("/v1/feedback", json=said, headers=headers)
    await give(client, {"accuracy": 0.2}, conversation_id=conversation_id)
    again = await client.post("/v1/feedback", json=said, headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    assert told((await client.get(f"/v1/feedback/conversations/{conversation_id}")).json()) == {"accuracy": 0.2}
    other = await client.post("/v1/feedback", json=said | {"scores": {"accuracy": 0.3}}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (400, "idempotency_key_reused")


async def test_only_who_asked_may_score_and_an_operator(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, anonymous: httpx.AsyncClient, parts: Parts
) -> None:
    completion_id, conversation_id = await answered(client)
    other = await parts.store.write(partial(keys.create_key, name="other", scope="user", at=utc_now()))
    anonymous.headers["Authorization"] = f"Bearer {other}"
    for about in ({"completion_id": completion_id}, {"conversation_id": conversation_id}):
        [param] = about
        refused = await give(anonymous, SCORES, **about)
        assert (refused.status_code, refused.json()["error"]["param"]) == (404, param)
        assert told((await give(operator, {"clear": True}, **about)).json()) == {"clear": True}
    path = f"/v1/feedback/conversations/{conversation_id}"
    assert (await anonymous.get(path)).status_code == 404
    assert (await anonymous.delete(path)).status_code == 404
    assert (await client.get(path)).status_code == 404  # the operator's word is not the asker's


async def test_an_operator_scores_a_chat_of_the_page(operator: httpx.AsyncClient, parts: Parts) -> None:
    bot = parts.shelf.find("support")
    turn = await parts.turns.begin_chat(bot, owner="browser:ada", conversation_id=None, text="hello")
    async for _ in parts.turns.answer(turn):
        pass
    about = {"conversation_id": turn.conversation.conversation_id}
    assert told((await give(operator, {"resolved": False}, **about)).json()) == {"resolved": False}


async def test_what_is_no_score_is_refused_by_name(client: httpx.AsyncClient) -> None:
    completion_id, conversation_id = await answered(client)
    await give(client, {"resolved": True}, completion_id=completion_id)
    answer, talk = {"completion_id": completion_id}, {"conversation_id": conversation_id}
    cases: list[tuple[dict[str, Any], str]] = [
        (answer | {"scores": "good"}, "scores"),
        (answer | {"scores": [True]}, "scores"),
        (answer | {"scores": {"tone": None}}, "scores.tone"),
        (answer | {"scores": {"tone": []}}, "scores.tone"),
        (answer | {"scores": {"tone": "x" * 201}}, "scores.tone"),
        (answer | {"scores": {"x" * 65: True}}, "scores"),
        (answer | {"scores": {"": True}}, "scores"),
        (answer | {"scores": {str(n): True for n in range(MAX_SCORES + 1)}}, "scores"),
        (answer | {"scores": {"resolved": "yes"}, "vote": "up"}, "scores.resolved"),
        (talk | {"scores": {"resolved": 1}}, "scores.resolved"),
        (talk, "scores"),
        (talk | {"scores": {}}, "scores"),
        (talk | {"scores": SCORES, "vote": "up"}, "vote"),
        (talk | answer | {"scores": SCORES}, "completion_id"),
        ({"scores": SCORES}, "completion_id"),
    ]
    for body, param in cases:
        reply = await client.post("/v1/feedback", json=body)
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), body
    row = (await client.get(f"/v1/feedback/{completion_id}")).json()
    assert (row["vote"], row["scores"]) == ("none", {"resolved": True})
    assert (await client.get(f"/v1/feedback/conversations/{conversation_id}")).status_code == 404


class TestDeclared:
    @pytest.fixture(autouse=True)
    def declare(self, bots_folder: Path) -> None:
        file = bots_folder / "support.toml"
        file.write_text(file.read_text() + example_of("bots.md", "toml"))

    async def test_what_the_bot_s_file_declares_is_taken_and_nothing_else(self, client: httpx.AsyncClient) -> None:
        completion_id, conversation_id = await answered(client)
        for about in ({"completion_id": completion_id}, {"conversation_id": conversation_id}):
            assert told((await give(client, SCORES, **about)).json()) == SCORES
            for name, value, remedy in (
                ("tones", "friendly", "resolved, accuracy, tone"),
                ("resolved", 1, "a boolean"),
                ("accuracy", True, "a number"),
                ("accuracy", 1.01, "up to 1"),
                ("accuracy", -0.01, "from 0"),
                ("tone", "Friendly", "one of: friendly, rude"),
            ):
                refused = await give(client, {name: value}, **about)
                error = refused.json()["error"]
                assert (refused.status_code, error["param"]) == (400, f"scores.{name}")
                assert remedy in error["message"]

    async def test_the_file_has_the_last_word_on_what_a_name_means(
        self, client: httpx.AsyncClient, parts: Parts, bots_folder: Path
    ) -> None:
        completion_id, _ = await answered(client)
        await give(client, {"resolved": True}, completion_id=completion_id)
        file = bots_folder / "support.toml"
        file.write_text(file.read_text().replace('"boolean"', '"number"'))
        parts.shelf.look()
        assert told((await give(client, {"resolved": 1}, completion_id=completion_id)).json()) == {"resolved": 1.0}

    async def test_where_votes_are_off_scores_are_too_and_may_be_taken_back(
        self, client: httpx.AsyncClient, parts: Parts, bots_folder: Path
    ) -> None:
        completion_id, conversation_id = await answered(client)
        abouts = ({"completion_id": completion_id}, {"conversation_id": conversation_id})
        for about in abouts:
            await give(client, SCORES, **about)
        file = bots_folder / "support.toml"
        file.write_text(file.read_text().replace("[feedback.scores]", "[feedback]\nvotes = false\n[feedback.scores]"))
        parts.shelf.look()
        for about in abouts:
            refused = await give(client, SCORES, **about)
            assert (refused.status_code, refused.json()["error"]["param"]) == (403, "scores")
        for path in (completion_id, f"conversations/{conversation_id}"):
            assert told((await client.delete(f"/v1/feedback/{path}")).json()) == {}


async def test_a_category_is_a_text_of_which_nothing_personal_is_kept(
    client: httpx.AsyncClient, bots_folder: Path, parts: Parts
) -> None:
    file = bots_folder / "support.toml"
    file.write_text(file.read_text().replace('mask = "off"', 'mask = "patterns"\nmask_before_storing = true'))
    parts.shelf.look()
    completion_id, conversation_id = await answered(client)
    for about in ({"completion_id": completion_id}, {"conversation_id": conversation_id}):
        reply = await give(client, {"from": "ada.lovelace@mail.test", "clear": True}, **about)
        assert "lovelace" not in reply.text
        assert sorted(reply.json()["scores"]) == ["clear", "from"]


async def test_the_example_of_the_page_runs(url: str, user_key: str) -> None:
    example = example_of("api.md", "python")

    def run() -> dict[str, Any]:
        with openai.OpenAI(base_url=f"{url}/v1", api_key=user_key, max_retries=0) as client:
            names: dict[str, Any] = {"client": client}
            exec(compile(example, "docs/api.md", "exec"), names)  # what the page has people run
        return names

    names = await asyncio.to_thread(run)
    assert (names["row"]["scores"], names["whole"]["scores"]) == (SCORES, {"resolved": True})


ODD: Final = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**1100), 2**1100), st.floats(), st.text(max_size=8),
    st.sampled_from(["\ud800", "\x00", "friendly", "x" * 5_000]),
)  # fmt: skip
VALUES: Final = st.recursive(
    ODD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip


async def test_no_malformed_score_is_a_fault_of_the_server(client: httpx.AsyncClient) -> None:
    completion_id, conversation_id = await answered(client)
    sent: list[tuple[Any, str]] = []
    names = st.sampled_from(["tone", "", "\x00", "x" * 65]) | st.text(max_size=8)
    ids = st.sampled_from([completion_id, conversation_id]) | ODD
    bodies = st.fixed_dictionaries(
        {"scores": st.dictionaries(names, VALUES, max_size=3) | VALUES},
        optional={"completion_id": ids, "conversation_id": ids, "vote": st.just("up") | ODD},
    )

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(bodies, names)
    def collect(body: Any, name: str) -> None:
        sent.append((body, name))

    collect()
    for body, name in sent:
        replies = [await client.post("/v1/feedback", content=json.dumps(body).encode())]
        for path in (completion_id, f"conversations/{conversation_id}"):
            replies.append(await client.delete(f"/v1/feedback/{path}", params={"score": name}))
        for reply in replies:
            assert reply.status_code < 500, (body, reply.text)
            if reply.status_code >= 400:
                assert set(reply.json()["error"]) == {"message", "type", "param", "code"}, body
