"""Each line of the audit holds the hash of the one before; what stood there already is held by the first new line."""

from typing import Final

AUDIT_CHAIN: Final = """
-- All three are null in lines from before the chain.
alter table events add column number bigint;
alter table events add column previous_hash text;
alter table events add column line_hash text;

-- One row: the newest line. By it a chain that lost its end is told from a whole one.
create table audit_head (number bigint not null, line_hash text not null);
insert into audit_head values (0, '');
"""
