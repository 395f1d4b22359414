"""Of a vote: from which address it came, as a keyed hash; which votes a dataset's screens stopped, and who let them
count all the same."""

from typing import Final

SCREENS: Final = """
-- Null where it is not known, as on what was recorded before.
alter table feedback add column address text;

create table quarantine (
    bot text not null,
    message_id text not null,
    voter text not null,
    reason text not null,
    found_at timestamptz not null
);

create table releases (
    bot text not null,
    message_id text not null,
    voter text not null,
    released_by text not null,
    reason text not null,
    released_at timestamptz not null,
    primary key (message_id, voter)
);
"""
