"""Chats whose answers browsers vote on, put into a record by its own doors.

Each ballot is a chat and a browser of its own. Knows nothing of where chats come from.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from collect.conversations import record_turn
from collect.feedback import Opinion, record_opinion
from collect.store import Store
from nightschool.records import BotName, ChatMessage, Conversation, Finish, Message, Source, Vote, new_id


class Ballot(NamedTuple):
    context: Sequence[ChatMessage]
    """Turns of user and assistant, the user's first and last."""
    answers: Sequence[tuple[str, Vote]]
    """Given side by side to the same question."""


async def cast_ballots(store: Store, ballots: Iterable[Ballot], *, bot: BotName, at: datetime) -> None:
    for number, ballot in enumerate(ballots):
        await _cast(store, ballot, bot=bot, owner=f"browser:{number}", at=at + timedelta(seconds=number))


async def _cast(store: Store, ballot: Ballot, *, bot: BotName, owner: str, at: datetime) -> None:
    talk = Conversation(new_id(), bot, owner, Source.CHAT, ballot.context[-1]["content"][:60], at)
    said: list[Message] = []
    for turn in ballot.context:
        said.append(_say(talk, said[-1].message_id if said else None, turn["role"], turn["content"], at))
    asked = said[-1].message_id
    answers = [_say(talk, asked, "assistant", text, at) for text, _ in ballot.answers]
    await store.write(partial(record_turn, conversation=talk, messages=[*said, *answers]))
    for message, (_, vote) in zip(answers, ballot.answers, strict=True):
        opinion = Opinion(vote=vote)
        await store.write(partial(record_opinion, message_id=message.message_id, voter=owner, opinion=opinion, at=at))


def _say(talk: Conversation, parent_id: str | None, role: str, content: str, at: datetime) -> Message:
    return Message(
        message_id=new_id(),
        conversation_id=talk.conversation_id,
        bot=talk.bot,
        parent_id=parent_id,
        role=role,  # type: ignore[arg-type]
        content=content,
        source=Source.CHAT,
        created_at=at,
        finish=Finish.STOP if role == "assistant" else None,
    )
