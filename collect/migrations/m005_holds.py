"""What a person took down stays down: holds, refused weights, and verdicts that name the weights they are about."""

from typing import Final

HOLDS: Final = """
-- One row while no version of the bot may go live by itself.
create table holds (
    bot text primary key,
    armed_by text not null,
    reason text not null,
    armed_at timestamptz not null
);

-- Weights that were rolled back or rejected: trained again they are the same weights.
create table refusals (
    bot text not null,
    content_hash text not null,
    cause text not null,
    refused_by text not null,
    reason text not null,
    refused_at timestamptz not null,
    primary key (bot, content_hash)
);

alter table adapters add column live_at timestamptz;
update adapters set live_at = (
    select max(happened_at) from events
    where events.bot = adapters.bot and events.subject = adapters.bot || '@' || adapters.version
        and events.action like '%->production'
);

alter table evaluations add column candidate_hash text default '';
alter table evaluations add column production_hash text default '';
alter table evaluations add column moves bigint default 0;
alter table evaluations add column promoted_at timestamptz;
"""
