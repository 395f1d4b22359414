"""What was erased for good, by ids and never by words, and which adapters had learnt it."""

from typing import Final

ERASURES: Final = """
-- Without `finished_at` its files, or what the file of the record keeps of its rows, are still to be removed.
create table erasures (
    erasure_id text primary key,
    kind text not null,
    subject_hash text not null,
    actor text not null,
    reason text not null,
    erased_at timestamptz not null,
    bots text[] not null,
    conversation_ids text[] not null,
    message_ids text[] not null,
    voted_ids text[] not null,
    about_json text not null,
    finished_at timestamptz
);

alter table adapters add column tainted_at timestamptz;
"""
