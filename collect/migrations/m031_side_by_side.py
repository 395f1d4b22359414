"""Which questions were answered twice at once, by production and another version, for people to compare."""

from typing import Final

SIDE_BY_SIDE: Final = """
create table side_by_side (
    conversation_id text not null,
    bot text not null,
    usual_id text not null,
    other_id text not null,
    asked_at timestamptz not null
);
create index side_by_side_by_conversation on side_by_side (conversation_id);
"""
