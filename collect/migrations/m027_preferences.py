"""Which of two answers to one question a person found better, and how the two were shown; only ever added to."""

from typing import Final

PREFERENCES: Final = """
create table preferences (
    conversation_id text not null,
    bot text not null,
    older_id text not null,
    newer_id text not null,
    is_older_left boolean not null,
    voter text not null,
    choice text not null,
    chosen_at timestamptz not null
);
create index preferences_by_conversation on preferences (conversation_id);
"""
