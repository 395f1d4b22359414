"""Scores under names of the callers' own, of an answer or of a conversation (`message_id` is null then), and of which
kind a name is within a bot; scores are only ever added to, and one that was taken back is of kind `none`."""

from typing import Final

SCORES: Final = """
create table scores (
    conversation_id text using compression uncompressed not null,
    message_id text using compression uncompressed,
    bot text not null,
    voter text using compression uncompressed not null,
    name text using compression uncompressed not null,
    kind text not null,
    number double,
    category text,
    said_at timestamptz not null
);
create index scores_by_conversation on scores (conversation_id);

create table score_kinds (
    bot text not null,
    name text not null,
    kind text not null,
    primary key (bot, name)
);
"""
