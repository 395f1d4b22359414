"""Answers of operators that were served as they stand, and which of them are out of service."""

from typing import Final

VERIFIED: Final = """
-- One row for each answer that was served: the answer that an operator let in, and how near its question was.
create table verified_served (
    message_id text primary key,
    bot text not null,
    from_id text not null,
    score double not null
);

-- The newest row of an answer counts; an answer without a row is in service.
create table verified_switches (
    message_id text not null,
    bot text not null,
    is_on boolean not null,
    switched_by text not null,
    reason text not null,
    switched_at timestamptz not null,
    position bigint not null
);
create sequence verified_switch_positions;

-- Imported conversations that are questions with their answers, for everybody.
create table faq (
    conversation_id text primary key
);
"""
