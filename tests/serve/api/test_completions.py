import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, Final, Protocol

import httpx
import pytest
from fastapi import FastAPI

from collect import conversations
from nightschool.records import Adapter, BotName, Finish, Message, Source, Stage
from serve.parts import Parts

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


# (what is changed, the parameter that the error names, OpenAI's code)
REFUSED: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"n": 2}, "n", "unsupported_parameter"),
    ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
    ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
    ({"logprobs": True}, "logprobs", "unsupported_parameter"),
    ({"frequency_penalty": 0.5}, "frequency_penalty", "unsupported_parameter"),
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


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("engine", "status"), [("dead", 502)], indirect=["engine"])
async def test_an_engine_that_fails_before_its_first_word_gives_a_status(
    client: httpx.AsyncClient, parts: Parts, status: int, stream: bool
) -> None:
    reply = await client.post(PATH, json=ask(stream=stream))
    assert (reply.status_code, reply.json()["error"]["type"]) == (status, "server_error")
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
