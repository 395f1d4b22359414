"""What next turns give away about answers (`collect.signals`), and how far the record was looked through for it."""

from typing import Final

SIGNALS: Final = """
create table signals (
    follow_up_id text not null,
    kind text not null,
    message_id text not null,
    bot text not null,
    evidence text not null,
    strength double not null,
    said_at timestamptz not null,
    primary key (follow_up_id, kind)
);
create index signals_by_message on signals (message_id);

-- One row for each set of rules by which turns were looked through.
create table signal_marks (
    rules integer primary key,
    position bigint not null
);
"""
