"""Where an API call belongs: behind the answer that its history ends with, or in a conversation of its own.

A caller sends the whole conversation with each turn. What of it the record holds already, as the same person behind the
same key sent it under the same instructions and as we answered, is not stored again: twenty turns are forty messages.
Where the history differs the conversation branches; where none of its answers is one of ours it begins anew. Does not
answer.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from collect import conversations
from collect.calls import CallPath, find_place
from collect.store import Store
from nightschool.bots import Bot
from nightschool.errors import NotFound
from nightschool.records import ChatMessage, Conversation, Message, Source
from nightschool.tools import note_tools, same_tools
from serve.drafts import draft_conversation, draft_history


@dataclass(frozen=True, slots=True)
class Call:
    conversation: Conversation
    asked: tuple[Message, ...]
    """What the record does not hold yet, oldest first; the last one is the question, which it may."""
    path: str
    """To the question."""


async def place_call(store: Store, bot: Bot, *, owner: str, messages: Sequence[ChatMessage], at: datetime) -> Call:
    """`messages` end with a question, or with what tools found."""
    paths = _paths(bot, owner, messages)
    spoken = [message for message in messages if message["role"] != "system"]
    answers = [path for path, message in zip(paths, spoken, strict=True) if message["role"] == "assistant"]
    find = partial(find_place, histories=answers, question=paths[-1])
    place = await store.read(find) if answers else None
    if place is None:
        return await begin_call(bot, owner=owner, messages=messages, at=at)
    try:
        conversation = await store.read(partial(conversations.conversation, conversation_id=place.conversation_id))
        answer = await store.read(partial(conversations.path_to, message_id=place.answer_id))
        if place.question_id is not None:
            question = await store.read(partial(conversations.message, message_id=place.question_id))
            return Call(conversation, (question,), paths[-1])
    except NotFound:
        # Erased a moment ago.
        return await begin_call(bot, owner=owner, messages=messages, at=at)
    known = sum(message.role != "system" for message in answer)
    return Call(conversation, draft_history(conversation, spoken[known:], below=place.answer_id, at=at), paths[-1])


def paths_of(path: str, answer: Message) -> tuple[CallPath, ...]:
    """To the question and to its answer, once that is known; none where `path` is that of no call."""
    if not path or answer.parent_id is None:
        return ()
    step = _step(path, answer.role, answer.content, answer.tools_json)
    return (
        CallPath(path, answer.parent_id, answer.conversation_id),
        CallPath(step, answer.message_id, answer.conversation_id),
    )


async def begin_call(bot: Bot, *, owner: str, messages: Sequence[ChatMessage], at: datetime) -> Call:
    """In a conversation of its own, whatever is known."""
    question = next(message["content"] for message in reversed(messages) if message["role"] == "user")
    conversation = draft_conversation(bot, owner=owner, source=Source.API, question=question, at=at)
    return Call(
        conversation, draft_history(conversation, messages, below=None, at=at), _paths(bot, owner, messages)[-1]
    )


def _paths(bot: Bot, owner: str, messages: Sequence[ChatMessage]) -> list[str]:
    """To each message that is no instruction."""
    path = _step(_step("", "owner", owner), "bot", bot.name)
    for message in messages:
        if message["role"] == "system":
            path = _step(path, "system", message["content"])
    found = []
    for message in messages:
        if message["role"] != "system":
            path = _step(path, message["role"], message["content"], note_tools(message))
            found.append(path)
    return found


def _step(path: str, role: str, content: str, tools_json: str = "") -> str:
    text = content.strip()
    if tools_json:
        text += f"\0{same_tools(tools_json)}"
    return hashlib.sha256(f"{path}\0{role}\0{len(text)}\0{text}".encode()).hexdigest()[:32]
