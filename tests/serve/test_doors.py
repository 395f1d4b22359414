"""Every door by which people's words come in, against every kind of character that is no text."""

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
import pytest

from collect import conversations, events, feedback, reviews
from collect.formats.read import BadLine, read_conversations
from collect.keys import create_key
from collect.store import Cursor
from nightschool.bots import load_bot
from nightschool.errors import InvalidInput, InvalidSettings
from nightschool.records import BotName, Event, Message, Review, Vote, new_id, utc_now
from serve.branches import Tree
from serve.parts import Parts
from serve.votes import Opinion

OWNER = "browser:ada"
BOT = BotName("support")
INVISIBLE = ["\0", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\ufeff"]
HALF = "\ud83d"


async def ask(parts: Parts, text: str) -> str:
    turn = await parts.turns.begin_chat(parts.shelf.find(BOT), owner=OWNER, conversation_id=None, text=text)
    async for _ in parts.turns.answer(turn):
        pass
    return turn.answer_id


async def path_to(parts: Parts, answer_id: str) -> list[Message]:
    """What was said from the first message to this one."""
    answer = await parts.store.read(partial(conversations.message, message_id=answer_id))
    talk = partial(conversations.conversation_messages, conversation_id=answer.conversation_id)
    return Tree(await parts.store.read(talk)).path(answer_id)


async def through_the_page(parts: Parts, text: str) -> str:
    answer_id = await ask(parts, text)
    return (await path_to(parts, answer_id))[0].content


async def through_a_comment(parts: Parts, text: str) -> str:
    said = Opinion(Vote.DOWN, comment=text)
    return (await parts.votes.cast(await ask(parts, "hello"), said, owner=OWNER)).comment


async def through_a_reason(parts: Parts, text: str) -> str:
    said = Opinion(Vote.DOWN, reasons=[text])
    return (await parts.votes.cast(await ask(parts, "hello"), said, owner=OWNER)).reasons[0]


async def through_an_ideal_answer(parts: Parts, text: str) -> str:
    said = Opinion(Vote.DOWN, ideal_answer=text)
    return (await parts.votes.cast(await ask(parts, "hello"), said, owner=OWNER)).ideal_answer


async def through_a_correction(parts: Parts, text: str) -> str:
    review = Review(await ask(parts, "hello"), BOT, "operator (console)", True, text, (), utc_now())
    return (await parts.store.write(partial(reviews.record_review, review=review))).corrected_answer


async def through_a_reason_for_the_audit(parts: Parts, text: str) -> str:
    event = Event(new_id(), utc_now(), BOT, "operator (console)", "rolled back", "support@3", text)
    await parts.store.write(partial(events.append_event, event=event))
    return next(e.reason for e in await parts.store.read(events.list_events) if e.subject == "support@3")


async def through_an_import(_parts: Parts, text: str) -> str:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": text}]
    [line] = read_conversations([json.dumps({"messages": messages})])
    if isinstance(line, BadLine):
        raise InvalidInput(line.reason, subject="line", remedy="")
    return line.messages[1]["content"]


DOORS = [
    through_the_page,
    through_a_comment,
    through_a_reason,
    through_an_ideal_answer,
    through_a_correction,
    through_a_reason_for_the_audit,
    through_an_import,
]


@pytest.mark.parametrize("door", DOORS)
async def test_what_nobody_sees_stays_outside(parts: Parts, door: Callable[[Parts, str], Awaitable[str]]) -> None:
    assert await door(parts, f"Where{''.join(INVISIBLE)} is\r\nit?") == "Where is\nit?"


@pytest.mark.parametrize("door", DOORS)
async def test_half_a_character_is_refused(parts: Parts, door: Callable[[Parts, str], Awaitable[str]]) -> None:
    with pytest.raises(InvalidInput, match="half of a surrogate pair"):
        await door(parts, f"Where{HALF}?")


async def test_the_api_keeps_the_same_rule(client: httpx.AsyncClient, parts: Parts) -> None:
    odd = "".join(INVISIBLE)
    said = [("user", f"Hi{odd}"), ("assistant", f"Hello{odd}"), ("user", f"Where{odd}?")]
    body = {"model": "support", "messages": [{"role": role, "content": content} for role, content in said]}
    completion_id = (await client.post("/v1/chat/completions", json=body)).json()["id"]
    path = await path_to(parts, completion_id)
    assert [message.content for message in path[:-1]] == ["Hi", "Hello", "Where?"]
    opinion = {"completion_id": completion_id, "vote": "down", "comment": f"No{odd}.", "ideal_answer": f"Yes{odd}."}
    row = (await client.post("/v1/feedback", json=opinion)).json()
    assert (row["comment"], row["ideal_answer"]) == ("No.", "Yes.")
    stored = await parts.store.read(partial(feedback.feedback_of, message_id=completion_id, voter="key:reader"))
    assert stored is not None
    assert stored.comment == "No."


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/feedback"])
async def test_the_api_refuses_half_a_character(client: httpx.AsyncClient, path: str) -> None:
    body = {"model": "support", "messages": [{"role": "user", "content": HALF}]}
    said = body if "chat" in path else {"completion_id": "x", "comment": HALF}
    reply = await client.post(path, content=json.dumps(said))
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("odd", [*INVISIBLE, "\n", "\u200f", " "])
async def test_a_keys_name_is_what_it_looks_like(operator: httpx.AsyncClient, parts: Parts, odd: str) -> None:
    reply = await operator.post("/ops/keys", json={"name": f"shop{odd}"})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "name")

    def create(cursor: Cursor) -> str:
        return create_key(cursor, name=f"shop{HALF}", scope="user", at=utc_now())

    with pytest.raises(InvalidInput):
        await parts.store.write(create)


@pytest.mark.parametrize("key", ["title", "description", "system_prompt", "starters"])
@pytest.mark.parametrize("odd", ["\\u001b", "\\u202e", "\\ufeff"])
def test_a_bots_file_that_holds_what_nobody_sees_is_refused_by_key(tmp_path: Path, key: str, odd: str) -> None:
    texts = {"title": '"Fern"', "system_prompt": '"Be kind."'}
    texts[key] = f'["a{odd}"]' if key == "starters" else f'"a{odd}"'
    file = tmp_path / "support.toml"
    file.write_text('name = "support"\n' + "".join(f"{name} = {text}\n" for name, text in texts.items()))
    with pytest.raises(InvalidSettings, match=rf"(?s){key}.*which is not seen"):
        load_bot(file)
