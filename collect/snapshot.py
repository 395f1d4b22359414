"""Hand one bot's record to the night: Parquet files that stand on their own, so that nobody else opens the store."""

from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow.parquet as pq

from collect.chat_settings import PRIVATE
from collect.passages_seen import Find, write_passages_seen
from collect.store import Cursor
from nightschool.files import MANIFEST, Manifest, publish
from nightschool.records import BotName

ROWS_AT_ONCE: Final = 50_000
"""So much is in the server's memory, however long the record."""
UNTAUGHT: Final = f"select message_id from messages where conversation_id in ({PRIVATE})"
"""Of conversations from which their people want nothing learnt."""
RESTS_ON_TOOL: Final = """
select m.message_id from messages as m join (
    select conversation_id, min(position) as first from messages
    where bot = $bot and tools_json is not null group by conversation_id
) as called using (conversation_id)
where m.position >= called.first
"""
"""From the first call of a tool on: a model that learnt such an answer without what the tool said would invent it."""
HEARD: Final = """
select conversation_id, max(position) as last from messages
where bot = $bot and created_at <= $at group by conversation_id
"""
"""What stands before a message was said before it, also where the clock ran ahead then."""
TABLES: Final = {
    "conversations": f"""
select c.conversation_id, c.owner, c.source, c.created_at, c.is_held_out, c.topic, s.side
from conversations as c left join sides as s using (conversation_id)
where c.bot = $bot and c.conversation_id not in ({PRIVATE})
    and c.conversation_id in (select conversation_id from ({HEARD}))
order by c.created_at, c.conversation_id
""",
    "messages": f"""
select m.message_id, m.conversation_id, m.parent_id, m.role, m.content, m.source, m.created_at, m.version,
    m.adapter_hash, m.finish, m.weight
from messages as m join ({HEARD}) as heard using (conversation_id)
where m.bot = $bot and m.position <= heard.last and m.conversation_id not in ({PRIVATE})
    and m.message_id not in ({RESTS_ON_TOOL})
order by m.conversation_id, m.position
""",
    "feedback": f"""
select f.message_id, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at,
    coalesce(f.address, '') as address, coalesce(r.counts, false) as is_released,
    coalesce(not r.counts, false) as is_kept_out
from feedback as f left join releases as r
    on r.message_id = f.message_id and r.voter = f.voter and r.released_at >= f.voted_at and r.released_at <= $at
where f.bot = $bot and f.voted_at <= $at and f.message_id not in ({UNTAUGHT} union all {RESTS_ON_TOOL})
order by f.voted_at, f.message_id, f.voter
""",
    "reviews": f"""
select message_id, reviewer, approved, corrected_answer, tags, reviewed_at
from reviews where bot = $bot and reviewed_at <= $at and message_id not in ({UNTAUGHT} union all {RESTS_ON_TOOL})
order by reviewed_at, message_id
""",
    "preferences": f"""
with newest as (
    select conversation_id, older_id, newer_id, voter, arg_max(choice, chosen_at) as choice,
        arg_max(is_older_left, chosen_at) as is_older_left, max(chosen_at) as chosen_at
    from preferences where bot = $bot and chosen_at <= $at and conversation_id not in ({PRIVATE})
    group by conversation_id, older_id, newer_id, voter
)
select conversation_id, voter, chosen_at,
    case when (choice = 'left') = is_older_left then older_id else newer_id end as better_id,
    case when (choice = 'left') = is_older_left then newer_id else older_id end as worse_id
from newest where choice in ('left', 'right') order by chosen_at, conversation_id, better_id, voter
""",
    "seen_together": f"""
select usual_id as one_id, other_id from side_by_side
where bot = $bot and asked_at <= $at and conversation_id not in ({PRIVATE})
union
select older_id as one_id, newer_id as other_id from preferences
where bot = $bot and chosen_at <= $at and conversation_id not in ({PRIVATE})
order by one_id, other_id
""",
}


def write_snapshot(cursor: Cursor, *, bot: BotName, folder: Path, at: datetime, find: Find | None = None) -> Manifest:
    """Everything of the bot up to `at`, one file a table, the manifest last. All tables are of one moment.

    With `find`, for a bot whose answers stand on something, also what is found for its questions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A manifest speaks for the files it was written after.
    (folder / MANIFEST).unlink(missing_ok=True)
    cursor.begin()
    try:
        for name, question in TABLES.items():
            rows = cursor.execute(question, {"bot": bot, "at": at}).to_arrow_reader(ROWS_AT_ONCE)
            with pq.ParquetWriter(folder / f"{name}.parquet", rows.schema) as file:
                for batch in rows:
                    file.write_batch(batch)
        if find is not None:
            write_passages_seen(cursor, bot=bot, at=at, folder=folder, find=find)
    finally:
        cursor.rollback()
    return publish(folder, kind="snapshot", about={"bot": bot, "taken_at": at.isoformat()})
