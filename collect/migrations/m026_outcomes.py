"""Whether a conversation solved what its person came for, by their own word; only ever added to."""

from typing import Final

OUTCOMES: Final = """
create table outcomes (
    conversation_id text not null,
    message_id text not null,
    bot text not null,
    is_resolved boolean not null,
    said_at timestamptz not null
);
create index outcomes_by_conversation on outcomes (conversation_id);
"""
