"""API calls: what a caller sends again is stored once, and people behind one key are people of their own."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from collect import conversations, keys
from collect.snapshot import write_snapshot
from collect.store import Cursor, Store
from nightschool.errors import NotFound
from nightschool.records import BotName, ChatMessage, utc_now
from serve.calls import place_call
from serve.parts import Parts
from tune.bounds import is_person
from tune.dataset import build_dataset
from tune.rows import read_sft_rows

BOT = BotName("support")
Chat = list[dict[str, str]]


async def ask(client: httpx.AsyncClient, chat: Chat, question: str, **more: Any) -> tuple[Chat, str]:
    """The chat with its answer, and the answer's id."""
    said = [*chat, {"role": "user", "content": question}]
    reply = (await client.post("/v1/chat/completions", json={"model": "support", "messages": said, **more})).json()
    return [*said, {"role": "assistant", "content": reply["choices"][0]["message"]["content"]}], reply["id"]


async def count(parts: Parts) -> tuple[int, int]:
    """Conversations and messages."""
    counting = "select (select count(*) from conversations), (select count(*) from messages)"
    return await parts.store.read(lambda cursor: cursor.execute(counting).fetchall()[0])


async def test_twenty_turns_of_one_chat_are_forty_messages(client: httpx.AsyncClient, parts: Parts) -> None:
    chat: Chat = []
    for turn in range(20):
        chat, answer = await ask(client, chat, f"What about number {turn}?")
    assert await count(parts) == (1, 40)
    path = await parts.store.read(partial(conversations.path_to, message_id=answer))
    assert [(message.role, message.content) for message in path] == [(m["role"], m["content"]) for m in chat]


async def test_where_the_history_differs_a_conversation_branches_or_begins(
    client: httpx.AsyncClient, parts: Parts
) -> None:
    one, first = await ask(client, [], "Where is my planter?")
    two, _ = await ask(client, one, "When will it come?")
    # Another question behind the same answer; the same question again; a history that we never answered.
    _, other = await ask(client, one, "And to which door?")
    assert await count(parts) == (1, 6)
    _, again = await ask(client, one, "When will it come?")
    assert await count(parts) == (1, 7)
    await ask(client, [two[0], {"role": "assistant", "content": "In the shed."}], "Which shed?")
    assert await count(parts) == (2, 11)
    paths = [await parts.store.read(partial(conversations.path_to, message_id=name)) for name in (other, again)]
    assert [path[1].message_id for path in paths] == [first, first]
    # Two who begin alike are two, and each goes on with a chat of their own.
    await ask(client, [], "Where is my planter?")
    await ask(client, one, "It is red, by the way.")
    assert (await count(parts))[0] == 3


class Erasing:
    """A record of which all is erased before the look at it that is the `last` one."""

    def __init__(self, store: Store, *, last: int) -> None:
        self._store, self._left = store, last

    async def read(self, question: Callable[[Cursor], Any]) -> Any:
        self._left -= 1
        if not self._left:
            raise NotFound("is not in the record", subject="it", remedy="It was erased.")
        return await self._store.read(question)


@pytest.mark.parametrize("last", [2, 3, 4])
async def test_a_chat_that_is_erased_while_it_is_looked_for_begins_anew(
    client: httpx.AsyncClient, parts: Parts, last: int
) -> None:
    one, _ = await ask(client, [], "Where is my planter?")
    await ask(client, one, "When will it come?")
    again = [ChatMessage(role=m["role"], content=m["content"]) for m in one]  # type: ignore[typeddict-item]
    again.append(ChatMessage(role="user", content="When will it come?"))
    bot, erasing = parts.shelf.find(BOT), cast(Store, Erasing(parts.store, last=last))
    call = await place_call(erasing, bot, owner="key:reader", messages=again, at=utc_now())
    assert [message.content for message in call.asked] == [message["content"] for message in again]


@pytest.mark.parametrize("more", [{"user": "anna"}, {"safety_identifier": "anna", "user": "berta"}])
async def test_people_behind_a_key_are_apart_and_known_by_no_name(
    client: httpx.AsyncClient, parts: Parts, more: dict[str, str]
) -> None:
    chat, answer = await ask(client, [], "Where is my planter?", **more)
    await ask(client, chat, "And when?", user="clara")
    rows = await parts.store.read(lambda cursor: cursor.execute("select owner from conversations").fetchall())
    owners = {owner for (owner,) in rows}
    assert len(owners) == 2
    assert all(is_person(owner) and "/user-" in owner for owner in owners)
    assert b"anna" not in parts.home.store.read_bytes() + parts.home.store.with_name("record.duckdb.wal").read_bytes()
    said = (await client.post("/v1/feedback", json={"completion_id": answer, "vote": "up"})).json()
    assert said["vote"] == "up"
    [(voter,)] = await parts.store.read(lambda cursor: cursor.execute("select voter from feedback").fetchall())
    assert voter in owners
    assert (await client.get(f"/v1/feedback/{answer}")).json()["vote"] == "up"


async def test_an_operator_erases_one_person_behind_a_key(
    client: httpx.AsyncClient, operator: httpx.AsyncClient, parts: Parts
) -> None:
    await ask(client, [], "Where is my planter?", user="anna")
    await ask(client, [], "Where is my pot?", user="berta")
    [name] = [key.name for key in await parts.store.read(keys.list_keys) if key.scope == "user"]
    body = {"user": f"key:{name}", "end_user": "anna"}
    assert (await operator.post("/ops/erase", json=body)).json()["conversations"] == 1
    assert (await operator.post("/ops/erase", json=body)).status_code == 404
    assert (await operator.post("/ops/erase", json={"user": f"key:{name}"})).json()["conversations"] == 1


async def test_an_answer_names_its_prompt_sampling_and_metadata(client: httpx.AsyncClient, parts: Parts) -> None:
    metadata = {"channel": "mail", "long": "x" * 600, "number": 3}
    _, answer = await ask(client, [], "Where is my planter?", metadata=metadata, temperature=0.3)
    said = await parts.store.read(partial(conversations.message, message_id=answer))
    assert json.loads(said.metadata_json) == {"channel": "mail"}
    assert json.loads(said.sampling_json)["temperature"] == 0.3
    assert said.system_hash


async def test_every_answer_of_such_a_chat_is_learnt_once(
    client: httpx.AsyncClient, parts: Parts, tmp_path: Path
) -> None:
    chat: Chat = []
    for question in ("Where is my planter, please?", "When will it come to me?", "And to which of my doors?"):
        chat, answer = await ask(client, chat, question)
        await client.post("/v1/feedback", json={"completion_id": answer, "vote": "up"})
    snapshot = tmp_path / "snapshot"
    await parts.store.read(partial(write_snapshot, bot=BOT, folder=snapshot, at=utc_now()))
    built = build_dataset(snapshot, tmp_path / "sets", system_prompt="Be kind.", held_out_share=0, seed=17)
    [row] = read_sft_rows(tmp_path / "sets" / built.folder_name / "sft_train.parquet")
    taught = [m["content"] for m in row.messages if m["role"] == "assistant" and m.get("weight", 1)]
    assert taught == [m["content"] for m in chat if m["role"] == "assistant"]
