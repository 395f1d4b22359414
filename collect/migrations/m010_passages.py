"""What an answer stood on: its system prompt and the passages that it saw, each text kept once."""

from typing import Final

PASSAGES: Final = """
create table passages (
    passage_id text primary key,
    document text not null,
    heading text not null,
    content text not null
);

create table system_prompts (
    system_hash text primary key,
    content text not null
);

-- Null on what was recorded before, and on what people said.
alter table messages add column passage_ids text[];
alter table messages add column index_hash text;
alter table messages add column system_hash text;
"""
