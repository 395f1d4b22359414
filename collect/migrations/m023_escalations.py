"""Conversations that people handed over to the team: whether each was sent, and whether somebody took care of it."""

from typing import Final

ESCALATIONS: Final = """
create table escalations (
    escalation_id text primary key,
    conversation_id text not null,
    bot text not null,
    message_id text not null,
    contact text not null,
    asked_at timestamptz not null,
    taken_by text not null,
    tries integer not null,
    problem text not null,
    sent_at timestamptz,
    done_at timestamptz,
    done_by text
);
"""
