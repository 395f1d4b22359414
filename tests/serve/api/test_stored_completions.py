"""`store` and `metadata` with the real client: what is listed, by whom, and that nothing of it leaves the record."""

from functools import partial
from typing import Any

import httpx
import openai
import pytest

from collect import conversations
from collect.erase import Wish, erase_rows
from nightschool.records import new_id, utc_now
from nightschool.settings import EngineSettings, Settings
from serve.parts import Parts

PATH = "/v1/chat/completions"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": EngineSettings(kind="echo", tool_parser="hermes")})


async def ask(client: openai.AsyncOpenAI, text: str, **more: Any) -> str:
    wanted: dict[str, Any] = {"model": "support", "messages": [{"role": "user", "content": text}], "store": True} | more
    completion = await client.chat.completions.create(**wanted)
    return str(completion.id)


async def test_only_what_was_asked_to_be_stored_is_listed_and_each_key_has_a_list_of_its_own(
    mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI, parts: Parts
) -> None:
    stored = await ask(mine, "one", metadata={"topic": "a"}, user="anna")
    unlisted = [await ask(mine, "two", store=False), await ask(mine, "three", store=None)]
    other = await ask(theirs, "four")
    assert [one.id async for one in mine.chat.completions.list()] == [stored]
    assert [one.id async for one in theirs.chat.completions.list()] == [other]
    found = await mine.chat.completions.retrieve(stored)
    assert (found.model, found.choices[0].message.content) == ("support", "[echo base] one")
    assert (found.choices[0].finish_reason, found.system_fingerprint) == ("stop", "support@base")
    assert found.to_dict()["metadata"] == {"topic": "a"}
    for name in (other, *unlisted, "nothing"):
        with pytest.raises(openai.NotFoundError):
            await mine.chat.completions.retrieve(name)
        with pytest.raises(openai.NotFoundError):
            await mine.chat.completions.messages.list(name)
        with pytest.raises(openai.NotFoundError):
            await mine.chat.completions.update(name, metadata={})
        with pytest.raises(openai.NotFoundError):
            await mine.chat.completions.delete(name)
    # Listed or not, it is in the record.
    for name in (stored, *unlisted):
        assert await parts.store.read(partial(conversations.message, message_id=name))


async def test_pages_filters_and_orders(mine: openai.AsyncOpenAI) -> None:
    names = [await ask(mine, str(number), metadata={"even": str(number % 2 == 0), 'a"=': "ä"}) for number in range(5)]
    other = await ask(mine, "x", model="reviewer")
    assert [one.id async for one in mine.chat.completions.list(limit=2)] == [*names, other]
    assert [one.id async for one in mine.chat.completions.list(limit=4, order="desc")] == [other, *names[::-1]]
    assert [one.id async for one in mine.chat.completions.list(model="reviewer")] == [other]
    even = mine.chat.completions.list(limit=1, metadata={"even": "True", 'a"=': "ä"})
    assert [one.id async for one in even] == names[::2]
    assert [one.id async for one in mine.chat.completions.list(metadata={"even": "other"})] == []
    page = await mine.chat.completions.list(after=names[2], limit=1)
    assert ([one.id for one in page.data], page.has_more) == ([names[3]], True)


async def test_the_messages_of_a_completion_are_what_was_asked(mine: openai.AsyncOpenAI) -> None:
    call: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": "{}"}}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ]
    name = await ask(mine, "", messages=messages)
    told = [one async for one in mine.chat.completions.messages.list(name)]
    assert [(one.role, one.content) for one in told] == [(m["role"], m["content"]) for m in messages]
    assert told[2].model_dump(exclude_unset=True)["tool_calls"] == [call]
    newest = await mine.chat.completions.messages.list(name, order="desc", limit=1)
    assert (newest.data[0].content, newest.has_more) == ("found", True)


async def test_metadata_is_changed_and_a_deleted_completion_stays_in_the_record(
    mine: openai.AsyncOpenAI, parts: Parts
) -> None:
    name = await ask(mine, "one", metadata={"a": "1"})
    changed = await mine.chat.completions.update(name, metadata={"b": "2"})
    assert changed.to_dict()["metadata"] == {"b": "2"}
    assert [one.id async for one in mine.chat.completions.list(metadata={"a": "1"})] == []
    assert (await mine.chat.completions.update(name, metadata=None)).to_dict()["metadata"] == {}
    assert (await mine.chat.completions.delete(name)).deleted
    assert [one.id async for one in mine.chat.completions.list()] == []
    with pytest.raises(openai.NotFoundError):
        await mine.chat.completions.delete(name)
    assert (await parts.store.read(partial(conversations.message, message_id=name))).content == "[echo base] one"


async def test_what_was_streamed_or_asked_for_several_times_is_listed_too(mine: openai.AsyncOpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "hello"}]
    async for _ in await mine.chat.completions.create(model="support", messages=messages, stream=True, store=True):
        pass
    await ask(mine, "two", n=2)
    listed = [one.choices[0].message.content async for one in mine.chat.completions.list()]
    assert listed == ["[echo base] hello", "[echo base] two", "[echo base] two"]


async def test_an_erasure_takes_it_off_the_list(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    await ask(mine, "one")
    wish = Wish(new_id(), "user", "key:reader", "boss", "asked", utc_now())
    await parts.store.write(partial(erase_rows, wish=wish))
    assert [one.id async for one in mine.chat.completions.list()] == []
    assert await parts.store.read(lambda cursor: cursor.execute("from stored_completions").fetchall()) == []


async def test_a_wrong_query_and_wrong_metadata_are_refused_by_name(
    mine: openai.AsyncOpenAI, client: httpx.AsyncClient
) -> None:
    for query in ("limit=0", "limit=101", "order=up", "after=nothing"):
        reply = await client.get(f"{PATH}?{query}")
        assert (reply.status_code, reply.json()["error"]["param"]) == (400, query.partition("=")[0])
    name = await ask(mine, "one", metadata={"a": "1"})
    long, many = '"a": "' + "b" * 513 + '"', ", ".join(f'"{number}": ""' for number in range(17))
    for metadata in ('{"a": 1}', '{}, "more": 1', f"{{{long}}}", f"{{{many}}}", "[]"):
        assert (await client.post(f"{PATH}/{name}", content=f'{{"metadata": {metadata}}}')).status_code == 400
    assert (await client.post(f"{PATH}/{name}", content="{}")).status_code == 400
    assert (await client.get(f"{PATH}/{name}")).json()["metadata"] == {"a": "1"}
