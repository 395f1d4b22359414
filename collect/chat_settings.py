"""What a person set for one of their own conversations: its name, that it stands on top, that nothing is learnt of it.

Does not know whose a conversation is: who may set is checked above. Whatever makes a dataset leaves the `PRIVATE` out.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from collect.store import Cursor

PRIVATE: Final = "select conversation_id from chat_settings where is_private"
ONE: Final = """
select title, is_pinned, is_private from chat_settings where conversation_id = $conversation_id
"""
KEEP: Final = """
insert into chat_settings (conversation_id, title, is_pinned, is_private, changed_at)
values ($conversation_id, $title, $is_pinned, $is_private, $at)
on conflict (conversation_id) do update set title = excluded.title, is_pinned = excluded.is_pinned,
    is_private = excluded.is_private, changed_at = excluded.changed_at
"""


@dataclass(frozen=True, slots=True)
class ChatSettings:
    title: str = ""
    """Empty for the one that the first question gave."""
    is_pinned: bool = False
    is_private: bool = False
    """No dataset holds any of it from the next night on."""


def chat_settings(cursor: Cursor, *, conversation_id: str) -> ChatSettings:
    """As set, else as a conversation begins."""
    row = cursor.execute(ONE, {"conversation_id": conversation_id}).fetchone()
    return ChatSettings(*row) if row else ChatSettings()


def keep_chat_settings(cursor: Cursor, *, conversation_id: str, settings: ChatSettings, at: datetime) -> None:
    """Set all of them; setting twice is setting once."""
    cursor.execute(
        KEEP,
        {
            "conversation_id": conversation_id,
            "title": settings.title,
            "is_pinned": settings.is_pinned,
            "is_private": settings.is_private,
            "at": at,
        },
    )
