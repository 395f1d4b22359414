"""Who said what: conversations and their messages, a tree in which nothing is overwritten."""

from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from collect.store import Cursor
from nightschool.errors import NotAllowed, NotFound
from nightschool.records import BotName, Conversation, Finish, Message, Source

ADD_CONVERSATION: Final = """
insert into conversations (conversation_id, bot, owner, source, title, created_at, is_held_out)
values ($conversation_id, $bot, $owner, $source, $title, $created_at, $is_held_out)
on conflict do nothing
"""
ONE_CONVERSATION: Final = """
select conversation_id, bot, owner, source, title, created_at, is_held_out
from conversations where conversation_id = $conversation_id
"""
ADD_MESSAGE: Final = """
insert into messages (message_id, conversation_id, bot, parent_id, role, content, source, created_at, version,
    adapter_hash, finish, prompt_tokens, completion_tokens, first_token_s, duration_s, sampling_json, position)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nextval('message_positions'))
on conflict do nothing
"""
ONE_MESSAGE: Final = """
select message_id, conversation_id, bot, parent_id, role, content, source, created_at, version, adapter_hash, finish,
    prompt_tokens, completion_tokens, first_token_s, duration_s, sampling_json
from messages where message_id = $message_id and ($bot is null or bot = $bot)
"""
MESSAGES_OF: Final = """
select message_id, conversation_id, bot, parent_id, role, content, source, created_at, version, adapter_hash, finish,
    prompt_tokens, completion_tokens, first_token_s, duration_s, sampling_json
from messages where conversation_id = $conversation_id order by position
"""
CONVERSATIONS_OF: Final = """
select c.conversation_id, c.title, max(m.created_at) as updated_at, count(*) as messages
from conversations as c join messages as m using (conversation_id)
where c.owner = $owner and c.bot = $bot
group by c.conversation_id, c.title
order by updated_at desc limit $limit
"""


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    conversation_id: str
    title: str
    updated_at: datetime
    messages: int


def record_turn(cursor: Cursor, *, conversation: Conversation, messages: tuple[Message, ...] | list[Message]) -> None:
    """Keep a turn; doing it twice is doing it once. Raises NotAllowed where the conversation is somebody else's."""
    cursor.execute(
        ADD_CONVERSATION,
        {
            "conversation_id": conversation.conversation_id,
            "bot": conversation.bot,
            "owner": conversation.owner,
            "source": conversation.source,
            "title": conversation.title,
            "created_at": conversation.created_at,
            "is_held_out": conversation.is_held_out,
        },
    )
    stored = _conversation(cursor, conversation.conversation_id)
    if (stored.owner, stored.bot) != (conversation.owner, conversation.bot):
        raise NotAllowed("is another person's", subject="conversation", remedy="Start a new one.")
    for each in messages:
        cursor.execute(ADD_MESSAGE, astuple(each))


def conversation(cursor: Cursor, conversation_id: str) -> Conversation:
    """Raises NotFound."""
    return _conversation(cursor, conversation_id)


def _conversation(cursor: Cursor, conversation_id: str) -> Conversation:
    row = cursor.execute(ONE_CONVERSATION, {"conversation_id": conversation_id}).fetchone()
    if row is None:
        raise NotFound("is not in the record", subject="conversation", remedy="Start a new one.")
    return Conversation(row[0], BotName(row[1]), row[2], Source(row[3]), row[4], row[5].astimezone(UTC), row[6])


def message(cursor: Cursor, *, message_id: str, bot: BotName | None = None) -> Message:
    """Raises NotFound."""
    row = cursor.execute(ONE_MESSAGE, {"message_id": message_id, "bot": bot}).fetchone()
    if row is None:
        raise NotFound("is not in the record", subject=repr(message_id), remedy="Check the id.")
    return _message(row)


def conversation_messages(cursor: Cursor, *, conversation_id: str) -> list[Message]:
    """The whole tree, oldest first."""
    return [_message(row) for row in cursor.execute(MESSAGES_OF, {"conversation_id": conversation_id}).fetchall()]


def path_to(cursor: Cursor, *, message_id: str) -> list[Message]:
    """From the conversation's first message down to this one. Raises NotFound."""
    leaf = message(cursor, message_id=message_id)
    by_id = {m.message_id: m for m in conversation_messages(cursor, conversation_id=leaf.conversation_id)}
    path = [leaf]
    while (parent := by_id.get(path[-1].parent_id or "")) is not None:
        path.append(parent)
    return path[::-1]


def conversations_of(cursor: Cursor, *, bot: BotName, owner: str, limit: int = 50) -> list[ConversationSummary]:
    """Newest first."""
    rows = cursor.execute(CONVERSATIONS_OF, {"bot": bot, "owner": owner, "limit": limit}).fetchall()
    return [ConversationSummary(row[0], row[1], row[2].astimezone(UTC), row[3]) for row in rows]


def _message(row: tuple[Any, ...]) -> Message:
    role: Literal["system", "user", "assistant"] = row[4]
    return Message(
        message_id=row[0],
        conversation_id=row[1],
        bot=BotName(row[2]),
        parent_id=row[3],
        role=role,
        content=row[5],
        source=Source(row[6]),
        created_at=row[7].astimezone(UTC),
        version=row[8],
        adapter_hash=row[9],
        finish=None if row[10] is None else Finish(row[10]),
        prompt_tokens=row[11],
        completion_tokens=row[12],
        first_token_s=row[13],
        duration_s=row[14],
        sampling_json=row[15],
    )
