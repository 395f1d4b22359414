"""What every log of the record begins with, and which due nights could not begin."""

from typing import Final

ENDS: Final = """
create table log_signature (token text not null);
insert into log_signature values ('');

-- A night that could not begin does not take its date from the one that begins later.
create table unbegun (
    bot text not null,
    local_date date not null,
    cycle_id text not null,
    primary key (bot, local_date)
);
"""
