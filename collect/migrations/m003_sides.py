"""Where each conversation stands, training or examination, once decided; and the topic that an import named."""

from typing import Final

SIDES: Final = """
create table sides (
    conversation_id text primary key,
    bot text not null,
    side text not null,
    decided_at timestamptz not null
);

alter table conversations add column topic text;
"""
