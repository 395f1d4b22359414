"""Since when a bot's schedule stands, and an order of cycles that no wall clock can shuffle."""

from typing import Final

SCHEDULES: Final = """
alter table bots add column schedule text;
alter table bots add column schedule_since timestamptz;

create sequence cycle_positions;
alter table cycles add column position bigint;
update cycles set position = numbered.position
from (
    select cycle_id, nextval('cycle_positions') as position
    from (select cycle_id from cycles order by started_at, cycle_id)
) as numbered
where numbered.cycle_id = cycles.cycle_id;
"""
