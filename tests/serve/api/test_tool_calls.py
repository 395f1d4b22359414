"""Tools that callers offer: called, answered, recorded and gone on with; refused by name where no parser is set."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import openai
import pyarrow.parquet as pq
import pytest

from collect import conversations
from collect.completions_log import logged_completions
from collect.formats.write import export_conversations
from collect.snapshot import write_snapshot
from nightschool.records import BotName, Finish, Message, utc_now
from nightschool.settings import EngineSettings, Settings
from serve.parts import Parts

PATH = "/v1/chat/completions"
FIND: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "find_order",
        "description": "Where an order is.",
        "parameters": {"type": "object", "properties": {"asked": {"type": "string"}}},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
ASKED = {"role": "user", "content": "use find_order for 7"}
ARGUMENTS = '{"asked": "use find_order for 7"}'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": EngineSettings(kind="echo", tool_parser="hermes")})


def ask(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "support", "messages": list(messages or [ASKED]), "tools": [FIND, CLOCK], **more}


async def recorded(parts: Parts) -> list[Message]:
    """All that the reader's newest conversation holds."""
    found = await parts.store.read(partial(conversations.conversations_of, bot=BotName("support"), owner="key:reader"))
    return await parts.store.read(
        partial(conversations.conversation_messages, conversation_id=found[0].conversation_id)
    )


async def test_the_real_client_calls_a_tool_and_goes_on_with_what_it_found(
    mine: openai.AsyncOpenAI, parts: Parts
) -> None:
    messages: list[Any] = [ASKED]
    tools: list[Any] = [FIND, CLOCK]
    first = await mine.chat.completions.create(model="support", messages=messages, tools=tools)
    [choice] = first.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("find_order", ARGUMENTS)
    messages += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "in Leipzig"}]
    second = await mine.chat.completions.create(model="support", messages=messages, tools=tools)
    assert second.choices[0].message.content == "[echo base] in Leipzig"
    assert second.choices[0].finish_reason == "stop"
    # One conversation of four messages, each as it was, and nothing twice.
    asked, called, found, told = await recorded(parts)
    assert [m.role for m in (asked, called, found, told)] == ["user", "assistant", "tool", "assistant"]
    assert (called.message_id, called.finish, called.content) == (first.id, Finish.TOOL_CALLS, "")
    assert json.loads(called.tools_json) == {
        "tool_calls": [{"id": call.id, "type": "function", "function": {"name": "find_order", "arguments": ARGUMENTS}}]
    }
    assert (found.content, json.loads(found.tools_json)) == ("in Leipzig", {"tool_call_id": call.id})
    assert (told.message_id, told.tools_json) == (second.id, "")
    assert json.loads(told.sampling_json)["tools"][0] == FIND


async def test_it_streams_a_call(mine: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [ASKED]
    tools: list[Any] = [FIND]
    async with mine.chat.completions.stream(model="support", messages=messages, tools=tools) as stream:
        kinds = [event.type async for event in stream]
        [choice] = (await stream.get_final_completion()).choices
    assert "tool_calls.function.arguments.delta" in kinds
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("find_order", ARGUMENTS)


@pytest.mark.parametrize(("choice", "name"), [
    ("auto", None),
    ("none", None),
    ("required", "find_order"),
    ({"type": "function", "function": {"name": "clock"}}, "clock"),
])  # fmt: skip
async def test_whether_it_may_or_must_is_the_callers(
    client: httpx.AsyncClient, choice: object, name: str | None
) -> None:
    reply = await client.post(PATH, json=ask({"role": "user", "content": "hello"}, tool_choice=choice))
    [found] = reply.json()["choices"]
    if name is None:
        assert found["message"] == {"role": "assistant", "content": "[echo base] hello", "refusal": None}
    else:
        assert found["message"]["tool_calls"][0]["function"]["name"] == name


async def test_a_call_that_is_sent_back_otherwise_written_is_the_same_call(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    [choice] = (await client.post(PATH, json=ask())).json()["choices"]
    call = choice["message"]["tool_calls"][0]
    call["function"]["arguments"] = json.dumps(json.loads(call["function"]["arguments"]), indent=2)
    said = {"role": "assistant", "content": "", "tool_calls": [call]}
    found = {"role": "tool", "tool_call_id": call["id"], "content": [{"type": "text", "text": "in Leipzig"}]}
    assert (await client.post(PATH, json=ask(ASKED, said, found))).status_code == 200
    assert [m.role for m in await recorded(parts)] == ["user", "assistant", "tool", "assistant"]
    # Another call is another branch: nothing is taken for what it is not.
    call["function"]["arguments"] = '{"asked": "8"}'
    assert (await client.post(PATH, json=ask(ASKED, said, found))).status_code == 200
    assert [m.role for m in await recorded(parts)] == ["user", "assistant", "tool", "assistant"]


CALL = {"id": "c1", "type": "function", "function": {"name": "find_order", "arguments": "{}"}}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.mark.parametrize(("body", "param"), [
    (ask(tools=[{"type": "function"}]), "tools[0].function"),
    (ask(tools=[FIND, FIND]), "tools"),
    (ask(tools=[{"type": "custom", "custom": {"name": "x"}}]), "tools[0].type"),
    (ask(tools=[{"type": "function", "function": {"name": "no blanks"}}]), "tools[0].function.name"),
    (ask(tools=[CLOCK] * 129), "tools"),
    (ask(tools=[{"type": "function", "function": {"name": "x", "parameters": {"type": "thing"}}}]),
     "tools[0].function.parameters"),
    (ask(tools=[{"type": "function", "function": {"name": "x", "parameters": {"a": "b" * 60_000}}}]), "tools"),
    (ask(tools=[], tool_choice="required"), "tool_choice"),
    (ask(tool_choice={"type": "function", "function": {"name": "other"}}), "tool_choice.function.name"),
    (ask(ASKED, {"role": "tool", "tool_call_id": "c1", "content": "x"}), "messages[1].tool_call_id"),
    (ask(ASKED, CALLED, {"role": "tool", "tool_call_id": "c2", "content": "x"}), "messages[2].tool_call_id"),
    (ask(ASKED, CALLED, {"role": "tool", "content": "x"}), "messages[2]"),
    (ask(CALLED, {"role": "tool", "tool_call_id": "c1", "content": "x"}), "messages"),
    (ask({"role": "user", "content": "x", "tool_calls": [CALL]}), "messages[0]"),
    (ask(ASKED, CALLED), "messages"),
    (ask(functions=[{"name": "x"}]), "functions"),
])  # fmt: skip
async def test_a_wrong_request_is_refused_by_name(client: httpx.AsyncClient, body: dict[str, Any], param: str) -> None:
    reply = await client.post(PATH, json=body)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"]["param"] == param


async def test_several_results_and_broken_arguments_are_taken_as_they_come(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    broken = {"id": "c2", "type": "function", "function": {"name": "clock", "arguments": '{"half'}}
    both = {"role": "assistant", "content": "I look.", "tool_calls": [CALL, broken]}
    results = [{"role": "tool", "tool_call_id": name, "content": text} for name, text in (("c1", ""), ("c2", "noon"))]
    reply = await client.post(PATH, json=ask(ASKED, both, *results))
    assert reply.json()["choices"][0]["message"]["content"] == "[echo base] noon"
    kept = await recorded(parts)
    assert json.loads(kept[1].tools_json)["tool_calls"] == [CALL, broken]
    assert [m.content for m in kept] == [ASKED["content"], "I look.", "", "noon", "[echo base] noon"]


async def test_nothing_is_learnt_from_the_first_call_on(client: httpx.AsyncClient, parts: Parts, tmp_path: Any) -> None:
    plain = (await client.post(PATH, json=ask({"role": "user", "content": "hello"}))).json()
    said = {"role": "assistant", "content": "[echo base] hello"}
    called = (await client.post(PATH, json=ask({"role": "user", "content": "hello"}, said, ASKED))).json()
    call = called["choices"][0]["message"]
    found = {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "in Leipzig"}
    told = (await client.post(PATH, json=ask({"role": "user", "content": "hello"}, said, ASKED, call, found))).json()
    for one in (plain, called, told):
        vote = {"completion_id": one["id"], "vote": "up"}
        assert (await client.post("/v1/feedback", json=vote)).status_code == 200
    bot, at = BotName("support"), utc_now()
    await parts.store.read(partial(write_snapshot, bot=bot, folder=tmp_path / "snapshot", at=at))

    def ids(table: str) -> Sequence[str]:
        return [row["message_id"] for row in pq.read_table(tmp_path / f"snapshot/{table}.parquet").to_pylist()]

    assert ids("feedback") == [plain["id"]]
    assert plain["id"] in ids("messages")
    assert not {called["id"], told["id"]} & set(ids("messages"))
    # Nor graded as if it had been answered without, and an export holds it as OpenAI writes it.
    logged = partial(logged_completions, owner="key:reader", bot=None, after=None, before=None, limit=9)
    assert [one.completion_id for one in await parts.store.read(logged)] == [plain["id"], called["id"]][:1]
    [line] = await parts.store.read(lambda cursor: list(export_conversations(cursor, bot=bot)))
    messages = json.loads(line)["messages"]
    assert messages[3]["tool_calls"] == call["tool_calls"]
    assert messages[4] == {"role": "tool", "content": "in Leipzig", "tool_call_id": call["tool_calls"][0]["id"]}


async def test_without_a_parser_tools_are_refused_with_the_remedy(parts: Parts, app_of: Any, user_key: str) -> None:
    plain = replace(parts, settings=parts.settings.model_copy(update={"engine": EngineSettings(kind="echo")}))
    transport = httpx.ASGITransport(app_of(plain))
    headers = {"Authorization": f"Bearer {user_key}"}
    result = {"role": "tool", "tool_call_id": "c1", "content": "x"}
    async with httpx.AsyncClient(transport=transport, base_url="http://here", headers=headers) as client:
        refused = [
            (await client.post(PATH, json=body)).json()["error"]
            for body in (ask(), ask(tools=None, tool_choice="required"), ask(ASKED, CALLED, result, tools=None))
        ]
    assert [one["param"] for one in refused] == ["tools", "tool_choice", "messages[2].role"]
    assert all("engine.tool_parser" in one["message"] for one in refused)
