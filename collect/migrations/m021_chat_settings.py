"""What a person set for one of their own conversations: its name, its place, and that nothing learns of it."""

from typing import Final

CHAT_SETTINGS: Final = """
create table chat_settings (
    conversation_id text primary key,
    title text not null,
    is_pinned boolean not null,
    is_private boolean not null,
    changed_at timestamptz not null
);
"""
