import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import pytest
from fastapi import FastAPI

from collect import conversations
from nightschool.records import Adapter, BotName, Finish, Message, Source, Stage
from nightschool.settings import ServerSettings
from serve.parts import Parts
from tests.serve.conftest import TroubledEngine

PATH = "/v1/chat/completions"
Register = Callable[..., Awaitable[Adapter]]


class Troubled(Protocol):
    said: asyncio.Event
    is_closed: bool


def ask(**more: Any) -> dict[str, Any]:
    return {"model": "support", "messages": [{"role": "user", "content": "hello there"}], **more}


def events(reply: httpx.Response) -> list[Any]:
    """The stream's events; every one is a line of JSON but the last, where the stream came to its end."""
    blocks = reply.text.split("\n\n")
    assert blocks.pop() == ""
    return [b if b == "data: [DONE]" else json.loads(b.removeprefix("data: ")) for b in blocks]


async def recorded(parts: Parts, completion_id: str) -> Message:
    return await parts.store.read(partial(conversations.message, bot=None, message_id=completion_id))


async def recorded_by(parts: Parts, owner: str) -> list[Message]:
    """The newest conversation's messages."""
    found = await parts.store.read(partial(conversations.conversations_of, bot=BotName("support"), owner=owner))
    return await parts.store.read(
        partial(conversations.conversation_messages, conversation_id=found[0].conversation_id)
    )


async def test_a_whole_answer_has_openais_shape_and_is_in_the_record(client: httpx.AsyncClient, parts: Parts) -> None:
    reply = await client.post(PATH, json=ask())
    assert reply.status_code == 200
    assert reply.headers["x-nightschool-version"] == "support@base"
    body = reply.json()
    assert body["object"] == "chat.completion"
    assert body["model"] == "support"
    assert body["system_fingerprint"] == "support@base"
    [choice] = body["choices"]
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "[echo base] hello there", "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    # "You are Fern." and "hello there" are five words, the answer is four.
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9}
    answer = await recorded(parts, body["id"])
    assert (answer.content, answer.finish, answer.source) == ("[echo base] hello there", Finish.STOP, Source.API)
    assert [m.role for m in await recorded_by(parts, "key:reader")] == ["user", "assistant"]


async def test_a_stream_is_openais_chunk_by_chunk(client: httpx.AsyncClient, parts: Parts) -> None:
    reply = await client.post(PATH, json=ask(stream=True, stream_options={"include_usage": True}))
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.headers["x-nightschool-version"] == "support@base"
    *chunks, usage, done = events(reply)
    assert done == "data: [DONE]"
    assert {chunk["object"] for chunk in [*chunks, usage]} == {"chat.completion.chunk"}
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in [*chunks, usage]}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert "".join(delta["content"] for delta in deltas[:-1]) == "[echo base] hello there"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [*[None] * 5, "stop"]
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 9)
    assert (await recorded(parts, usage["id"])).content == "[echo base] hello there"


async def test_without_include_usage_the_stream_says_nothing_of_tokens(client: httpx.AsyncClient) -> None:
    *chunks, _ = events(await client.post(PATH, json=ask(stream=True)))
    assert all("usage" not in chunk for chunk in chunks)


async def test_max_tokens_ends_an_answer_with_length(client: httpx.AsyncClient) -> None:
    for name in ("max_tokens", "max_completion_tokens"):
        [choice] = (await client.post(PATH, json=ask(**{name: 2}))).json()["choices"]
        assert (choice["message"]["content"], choice["finish_reason"]) == ("[echo base]", "length")


async def test_sampling_is_the_callers_and_else_the_bots(client: httpx.AsyncClient, parts: Parts) -> None:
    asked: dict[str, Any] = {"temperature": 0, "top_p": 0.5, "max_tokens": 7, "seed": -3, "stop": "\n"}
    mine = await recorded(parts, (await client.post(PATH, json=ask(**asked))).json()["id"])
    assert json.loads(mine.sampling_json) == {
        "temperature": 0.0, "top_p": 0.5, "max_tokens": 7, "seed": -3, "stop": ["\n"], "repetition_penalty": 1.05,
    }  # fmt: skip
    bots = await recorded(parts, (await client.post(PATH, json=ask())).json()["id"])
    sampling = json.loads(bots.sampling_json)
    assert (sampling["temperature"], sampling["max_tokens"], sampling["seed"]) == (0.3, 40, None)


async def test_history_text_parts_and_every_role_are_read(client: httpx.AsyncClient, parts: Parts) -> None:
    history = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Hi", "name": "Ada"},
        # What the openai client gives back when a reply's message is sent along.
        {"role": "assistant", "content": "Hello!", "refusal": None, "annotations": [], "audio": None,
         "function_call": None, "tool_calls": None},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ]  # fmt: skip
    reply = await client.post(PATH, json={"model": "support", "messages": history})
    assert reply.json()["choices"][0]["message"]["content"] == "[echo base] one\ntwo"
    said = await recorded_by(parts, "key:reader")
    assert [(m.role, m.source) for m in said] == [
        ("system", Source.CLIENT), ("user", Source.CLIENT), ("assistant", Source.CLIENT), ("user", Source.API),
        ("assistant", Source.API),
    ]  # fmt: skip


async def test_what_clients_send_without_meaning_anything_by_it_is_accepted(client: httpx.AsyncClient) -> None:
    harmless: dict[str, Any] = {
        "user": "u-1", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "n": 1, "logprobs": False,
        "frequency_penalty": 0, "presence_penalty": 0.0, "tools": [], "tool_choice": "none", "logit_bias": {},
        "response_format": {"type": "text"}, "stop": None, "seed": None, "max_tokens": None, "stream": False,
        "stream_options": None, "temperature": None, "parallel_tool_calls": True, "modalities": ["text"],
    }  # fmt: skip
    reply = await client.post(PATH, json=ask(**harmless))
    assert reply.status_code == 200, reply.text


def schema_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}


# (what is changed, the parameter that the error names, OpenAI's code)
REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"n": 9}, "n", "invalid_value"),
    ({"n": 0}, "n", "invalid_value"),
    ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
    ({"response_format": {"type": "xml"}}, "response_format", "invalid_value"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.json_schema",
     "missing_required_parameter"),
    ({"response_format": schema_of({"type": "thing"})}, "response_format.json_schema.json_schema.schema",
     "invalid_value"),
    ({"response_format": schema_of({"description": "x" * 20_000})},
     "response_format.json_schema.json_schema.schema", "invalid_value"),
    ({"top_logprobs": 2}, "top_logprobs", "invalid_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"frequency_penalty": 2.5}, "frequency_penalty", "invalid_value"),
    ({"presence_penalty": "much"}, "presence_penalty", "invalid_type"),
    ({"logit_bias": {"7": 101}}, "logit_bias.7", "invalid_value"),
    ({"logit_bias": {"seven": 1}}, "logit_bias.seven.[key]", "invalid_value"),
    ({"lora_path": "/etc"}, "lora_path", "unknown_parameter"),
    ({"stream_options": {"nope": 1}}, "stream_options.nope", "unknown_parameter"),
    ({"temperature": 2.1}, "temperature", "invalid_value"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"top_p": 0}, "top_p", "invalid_value"),
    ({"max_tokens": 0}, "max_tokens", "invalid_value"),
    ({"max_tokens": True}, "max_tokens", "invalid_type"),
    ({"max_tokens": 3, "max_completion_tokens": 3}, "max_tokens", "invalid_value"),
    ({"seed": 2**63}, "seed", "invalid_value"),
    ({"stop": [""]}, "stop[0]", "invalid_value"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "invalid_value"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": None}, "messages", "invalid_type"),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": ""}]}, "messages", "invalid_value"),
    ({"messages": [{"role": "user", "content": " \n"}]}, "messages", "invalid_value"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "invalid_type"),
    ({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]}, "messages",
     "invalid_value"),
    ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages[0].tool_calls",
     "unsupported_parameter"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
     "messages[0].content", "unsupported_parameter"),
    ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "invalid_type"),
    ({"messages": [{"role": "user", "content": "x" * 20_001}]}, "messages", "invalid_value"),
    ({"messages": [{"role": "user", "content": "x"}] * 513}, "messages", "invalid_value"),
    ({"model": 3}, "model", "invalid_type"),
]  # fmt: skip


async def test_what_cannot_be_served_is_refused_by_name(client: httpx.AsyncClient) -> None:
    for change, param, code in REFUSED:
        reply = await client.post(PATH, json=ask() | change)
        error = reply.json()["error"]
        said = (reply.status_code, error["type"], error["param"], error["code"])
        assert said == (400, "invalid_request_error", param, code), change


@pytest.mark.parametrize("server_settings", [ServerSettings(requests_per_minute=100, lenient=True)])
async def test_a_lenient_server_passes_over_what_it_does_not_serve_and_says_so(client: httpx.AsyncClient) -> None:
    strange = {"top_k": 5, "tools": [{"type": "function"}], "stream_options": {"nope": 1}, "a\r\nset-cookie: b": 1}
    for stream in (False, True):
        reply = await client.post(PATH, json=ask(stream=stream, **strange))
        assert reply.status_code == 200
        assert reply.headers["x-nightschool-dropped"] == "top_k, tools, a??set-cookie??b, stream_options.nope"
    assert "x-nightschool-dropped" not in (await client.post(PATH, json=ask())).headers
    # A value that is wrong stays wrong.
    assert (await client.post(PATH, json=ask(temperature=9))).status_code == 400


async def test_a_model_is_a_bot_and_never_a_path(client: httpx.AsyncClient) -> None:
    for model in ("nobody", "", "/etc/passwd", "../data/adapters", "support@x", "base", "SUPPORT", "é"):
        reply = await client.post(PATH, json=ask() | {"model": model})
        error = reply.json()["error"]
        assert (reply.status_code, error["code"], error["param"]) == (404, "model_not_found", "model")
        assert "support" in error["message"]


async def test_an_operator_may_name_a_version_and_a_user_may_not(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, parts: Parts, register: Register
) -> None:
    adapter = await register("support", version=3)
    await register("support", version=4, stage=Stage.TAINTED)
    for stream in (False, True):
        reply = await operator.post(PATH, json=ask(stream=stream) | {"model": "support@3"})
        assert reply.status_code == 200
        assert reply.headers["x-nightschool-version"] == "support@3"
        assert "[echo support@3]" in reply.text or '"content":"[echo"' in reply.text
    reply = await operator.post(PATH, json=ask() | {"model": "support@3"})
    assert reply.json()["model"] == "support@3"
    answer = await recorded(parts, reply.json()["id"])
    assert (answer.version, answer.adapter_hash) == (3, adapter.content_hash)
    assert (await operator.post(PATH, json=ask() | {"model": "support@base"})).status_code == 200
    assert (await operator.post(PATH, json=ask() | {"model": "support@4"})).status_code == 400
    assert (await operator.post(PATH, json=ask() | {"model": "support@9"})).json()["error"]["code"] == "model_not_found"
    for model in ("support@3", "support@base", "support@9"):
        refused = await client.post(PATH, json=ask() | {"model": model})
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")


async def test_after_a_promotion_the_next_answer_comes_from_the_adapter(
    client: httpx.AsyncClient, parts: Parts, register: Register
) -> None:
    await register("support", version=1)
    assert (await client.post(PATH, json=ask())).headers["x-nightschool-version"] == "support@base"
    await parts.rollout.promote(BotName("support"), version=1, actor="boss", reason="a test")
    reply = await client.post(PATH, json=ask())
    assert reply.headers["x-nightschool-version"] == "support@1"
    assert reply.json()["choices"][0]["message"]["content"].startswith("[echo support@1]")


async def test_an_assistants_turn_may_hold_no_text(client: httpx.AsyncClient, parts: Parts) -> None:
    called = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    history = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": None, "tool_calls": [called]},
        {"role": "user", "content": "two"},
        {"role": "assistant", "tool_calls": [called]},
        {"role": "user", "content": "three"},
        {"role": "assistant", "content": None, "refusal": "I may not say."},
        {"role": "user", "content": "four"},
    ]
    reply = await client.post(PATH, json={"model": "support", "messages": history})
    assert reply.status_code == 200, reply.text
    assert [m.content for m in await recorded_by(parts, "key:reader")][:-1] == [
        "one", "", "two", "", "three", "I may not say.", "four",
    ]  # fmt: skip


async def test_several_choices_are_answers_of_their_own(client: httpx.AsyncClient, parts: Parts) -> None:
    body = (await client.post(PATH, json=ask(n=3, seed=5))).json()
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert {choice["message"]["content"] for choice in body["choices"]} == {"[echo base] hello there"}
    # The prompt counts once.
    assert body["usage"] == {"prompt_tokens": 5, "completion_tokens": 12, "total_tokens": 17}
    ids = body["nightschool"]["completion_ids"]
    assert ids[0] == body["id"]
    answers = [await recorded(parts, one) for one in ids]
    assert len({answer.conversation_id for answer in answers}) == 3
    assert [json.loads(answer.sampling_json)["seed"] for answer in answers] == [5, 6, 7]
    vote = {"completion_id": ids[2], "vote": "up"}
    assert (await client.post("/v1/feedback", json=vote)).status_code == 200


async def test_several_choices_stream_side_by_side(client: httpx.AsyncClient) -> None:
    reply = await client.post(PATH, json=ask(n=2, stream=True, stream_options={"include_usage": True}))
    *chunks, usage, done = events(reply)
    assert done == "data: [DONE]"
    assert usage["usage"]["completion_tokens"] == 8
    for index in (0, 1):
        mine = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        assert "".join(one["delta"].get("content", "") for one in mine) == "[echo base] hello there"
        assert [one["finish_reason"] for one in mine].count("stop") == 1
    assert [len(chunk["nightschool"]["completion_ids"]) for chunk in chunks if "nightschool" in chunk] == [2]


@pytest.mark.parametrize("server_settings", [ServerSettings(requests_per_minute=3)])
async def test_each_choice_counts_as_an_answer(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, json=ask(n=2))).status_code == 200
    assert (await client.post(PATH, json=ask(n=2))).status_code == 429


@pytest.mark.parametrize("engine", ["breaks"], indirect=True)
async def test_one_choice_that_fails_fails_the_request(client: httpx.AsyncClient) -> None:
    assert (await client.post(PATH, json=ask(n=2))).status_code == 502
    assert events(await client.post(PATH, json=ask(n=2, stream=True)))[-1]["error"]["type"] == "server_error"


async def test_log_probabilities_come_whole_and_streamed(client: httpx.AsyncClient) -> None:
    body = (await client.post(PATH, json=ask(logprobs=True, top_logprobs=2))).json()
    tokens = body["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == body["choices"][0]["message"]["content"]
    assert [len(token["top_logprobs"]) for token in tokens] == [2, 2, 2, 2]
    assert bytes(tokens[0]["bytes"]).decode() == tokens[0]["token"]
    *chunks, _ = events(await client.post(PATH, json=ask(logprobs=True, stream=True)))
    told = [chunk["choices"][0]["logprobs"] for chunk in chunks]
    assert [one["content"][0]["token"] for one in told if one] == ["[echo", " base]", " hello", " there"]
    assert all(one["content"][0]["top_logprobs"] == [] for one in told if one)


async def test_json_is_answered_where_it_is_asked_for(client: httpx.AsyncClient, parts: Parts) -> None:
    body = (await client.post(PATH, json=ask(response_format={"type": "json_object"}))).json()
    assert json.loads(body["choices"][0]["message"]["content"]) == {"answer": "[echo base] hello there"}
    kept = json.loads((await recorded(parts, body["id"])).sampling_json)
    assert kept["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("engine", ["none"], indirect=True)
async def test_wishes_reach_the_engine_and_the_record(
    client: httpx.AsyncClient, parts: Parts, engine: TroubledEngine
) -> None:
    wanted = {
        "response_format": schema_of({"type": "object"}), "logit_bias": {"7": -100}, "frequency_penalty": 0.5,
        "presence_penalty": -1, "top_logprobs": 0, "logprobs": True,
    }  # fmt: skip
    reply = await client.post(PATH, json=ask(**wanted))
    assert reply.status_code == 200, reply.text
    del wanted["logprobs"]
    assert engine.seen[0].wishes.told() == wanted
    sampling = json.loads((await recorded(parts, reply.json()["id"])).sampling_json)
    assert {name: sampling[name] for name in wanted} == wanted


async def test_what_the_fake_engine_cannot_do_is_refused_by_name(client: httpx.AsyncClient) -> None:
    for wish in ({"response_format": schema_of({"type": "object"})}, {"logit_bias": {"7": 1}}):
        reply = await client.post(PATH, json=ask(**wish))
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, *wish)


async def test_log_probabilities_of_words_that_a_guard_may_replace_are_refused(
    client: httpx.AsyncClient, parts: Parts, bots_folder: Path
) -> None:
    (bots_folder / "pages").mkdir()
    (bots_folder / "docs.toml").write_text(
        'name = "docs"\ntitle = "D"\nsystem_prompt = "Help."\n[knowledge]\nfolder = "pages"\n'
    )
    parts.shelf.look()
    reply = await client.post(PATH, json=ask(logprobs=True) | {"model": "docs"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "logprobs")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("engine", "status"), [("dead", 502), ("starts", 503)], indirect=["engine"])
async def test_an_engine_that_fails_before_its_first_word_gives_a_status(
    client: httpx.AsyncClient, parts: Parts, status: int, stream: bool
) -> None:
    reply = await client.post(PATH, json=ask(stream=stream))
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, "server_error")
    assert reply.headers.get("retry-after") == ("47" if status == 503 else None)
    _, answer = await recorded_by(parts, "key:reader")
    assert (answer.content, answer.finish) == ("", Finish.ERROR)


@pytest.mark.parametrize("engine", ["breaks"], indirect=True)
async def test_an_engine_that_fails_in_the_middle_says_so_in_the_stream(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    reply = await client.post(PATH, json=ask(stream=True))
    assert reply.status_code == 200
    *chunks, last = events(reply)
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == "one two"
    assert last["error"]["type"] == "server_error"
    assert "ran out of memory" in last["error"]["message"]
    answer = await recorded(parts, chunks[0]["id"])
    assert (answer.content, answer.finish) == ("one two", Finish.ERROR)


@pytest.mark.parametrize("engine", ["faulty"], indirect=True)
async def test_a_fault_of_ours_keeps_its_details_and_is_logged_once(
    client: httpx.AsyncClient, parts: Parts, caplog: pytest.LogCaptureFixture
) -> None:
    whole = await client.post(PATH, json=ask())
    assert (whole.status_code, whole.json()["error"]["code"]) == (500, "internal_error")
    caplog.clear()
    streamed = await client.post(PATH, json=ask(stream=True))
    assert "nobody outside" not in whole.text + streamed.text
    assert [record.exc_info is not None for record in caplog.records if record.levelname == "ERROR"] == [True]
    _, answer = await recorded_by(parts, "key:reader")
    assert (answer.content, answer.finish) == ("one two", Finish.ERROR)


async def call_and_leave(app: FastAPI, body: object, key: str, *, leaves: asyncio.Event) -> list[Any]:
    """A caller that sends `body` and hangs up once `leaves` is set; what it was sent until then."""
    raw, sent = json.dumps(body).encode(), list[Any]()
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "root_path": "", "scheme": "http",
        "server": ("nightschool", 80), "headers": [(b"authorization", f"Bearer {key}".encode())],
    }  # fmt: skip
    waiting = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        if waiting:
            return waiting.pop()
        await leaves.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async with asyncio.timeout(5):
        await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_caller_who_leaves_ends_the_generation_and_the_answer_so_far_is_recorded(
    app: FastAPI, parts: Parts, engine: Troubled, user_key: str, stream: bool
) -> None:
    sent = await call_and_leave(app, ask(stream=stream), user_key, leaves=engine.said)
    await parts.turns.stop(grace_s=5)
    assert engine.is_closed
    _, answer = await recorded_by(parts, "key:reader")
    assert (answer.content, answer.finish) == ("one two", Finish.PARTIAL)
    assert b"[DONE]" not in b"".join(message.get("body", b"") for message in sent)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_stop_of_the_server_never_passes_a_torso_off_as_an_answer(
    client: httpx.AsyncClient, parts: Parts, engine: Troubled
) -> None:
    streamed = asyncio.create_task(client.post(PATH, json=ask(stream=True)))
    await engine.said.wait()
    engine.said.clear()
    whole = asyncio.create_task(client.post(PATH, json=ask()))
    await engine.said.wait()
    await asyncio.sleep(0)
    await parts.turns.stop(grace_s=0)
    *_, before, last = events(await streamed)
    assert before["choices"][0]["finish_reason"] is None
    assert last["error"]["code"] == "unavailable"
    assert (await whole).status_code == 503
    refused = await client.post(PATH, json=ask())
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")


async def test_a_lenient_key_has_passed_over_what_another_is_refused(
    client: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    made = await operator.post("/ops/keys", json={"name": "librechat", "is_lenient": True})
    assert [key["is_lenient"] for key in (await operator.get("/ops/keys")).json()].count(True) == 1
    theirs = {"Authorization": f"Bearer {made.json()['key']}"}
    reply = await client.post(PATH, json=ask(top_k=5), headers=theirs)
    assert (reply.status_code, reply.headers["x-nightschool-dropped"]) == (200, "top_k")
    refused = await client.post(PATH, json=ask(top_k=5))
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "top_k")
