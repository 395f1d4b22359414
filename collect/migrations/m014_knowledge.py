"""Which index of its documents each bot answers from."""

from typing import Final

KNOWLEDGE: Final = """
create table knowledge_indexes (
    bot text primary key,
    index_hash text not null,
    named_at timestamptz not null
);
"""
