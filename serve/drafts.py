"""Conversations and messages as they begin, before the record has them. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from collect.grounds import hash_prompt
from nightschool.bots import Bot
from nightschool.records import ChatMessage, Conversation, Message, Role, Source, new_id
from nightschool.tools import join_calls, note_tools
from serve.answering import Answering
from serve.prompting import Prompt
from serve.questions import title_of


def draft_conversation(bot: Bot, *, owner: str, source: Source, question: str, at: datetime) -> Conversation:
    return Conversation(new_id(), bot.bot_name, owner, source, title_of(question), at)


def draft_message(
    conversation: Conversation, role: Role, content: str, *, source: Source, parent_id: str | None, at: datetime
) -> Message:
    return Message(new_id(), conversation.conversation_id, conversation.bot, parent_id, role, content, source, at)


def draft_history(
    conversation: Conversation, said: Sequence[ChatMessage], *, below: str | None, at: datetime
) -> tuple[Message, ...]:
    """What a caller of the API sent along, one below the other; only the question at its end was said here."""
    drafted: list[Message] = []
    for position, message in enumerate(said, start=1):
        source = Source.API if position == len(said) else Source.CLIENT
        parent = drafted[-1].message_id if drafted else below
        role, content = message["role"], message["content"]
        one = draft_message(conversation, role, content, source=source, parent_id=parent, at=at)
        drafted.append(replace(one, tools_json=note_tools(message)))
    return tuple(drafted)


def draft_answer(
    conversation: Conversation, answer_id: str, answering: Answering, *, source: Source, parent_id: str, at: datetime
) -> Message:
    """What is true of an answer whoever gave it."""
    drafted = draft_message(conversation, "assistant", answering.text, source=source, parent_id=parent_id, at=at)
    return replace(
        drafted,
        message_id=answer_id,
        finish=answering.finish,
        first_token_s=answering.first_token_s,
        duration_s=answering.duration_s,
        tools_json=note_tools({"tool_calls": join_calls(answering.calls)}),
    )


def with_prompt(answer: Message, prompt: Prompt) -> Message:
    """The answer with what the engine that gave it was told."""
    return replace(
        answer,
        passage_ids=tuple(passage.passage_id for passage in prompt.found.passages),
        index_hash=prompt.found.index_hash,
        system_hash=hash_prompt(prompt.system) if prompt.system else "",
        turns_left_out=prompt.turns_left_out,
    )
