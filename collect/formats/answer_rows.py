"""Write recorded answers as rows for other programmes: DuckDB does the work, so that neither size nor memory limits it.

A row is an answer with all that led to it and what people thought of it; or, as TRL's KTO wants it, a prompt, a
completion and whether more people liked it than not. Does not know who asks, nor our own form, which alone comes in
again with everything (`collect.formats.write`).
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from collect.store import Cursor
from nightschool.records import BotName

Form = Literal["parquet", "jsonl", "kto"]
# Each answer climbs to the first message above it; what a failed engine left as nothing is no answer. One that rests on
# what a caller's tool found is no row.
ANSWERS: Final = """
with recursive voted as (
    select message_id, sum(case vote when 'up' then 1 when 'down' then -1 else 0 end)::integer as net_vote,
        count(*) filter (vote = 'up') as likes, count(*) filter (vote = 'down') as dislikes
    from feedback where bot = $bot group by message_id
),
said as (select message_id, arg_max(is_resolved, said_at) as is_resolved from outcomes group by message_id),
chosen as (
    select m.message_id, m.conversation_id, m.parent_id, m.content as answer, m.version, m.adapter_hash, m.created_at,
        coalesce(v.net_vote, 0) as net_vote, coalesce(v.likes, 0) as likes, coalesce(v.dislikes, 0) as dislikes,
        r.approved, r.corrected_answer, coalesce(r.tags, []) as tags, o.is_resolved
    from messages as m left join voted as v using (message_id) left join reviews as r using (message_id)
        left join said as o using (message_id)
    where m.bot = $bot and m.role = 'assistant' and trim(m.content) <> ''
        and ($since is null or m.created_at >= $since) and ($until is null or m.created_at < $until)
        and ($version is null or m.version = $version)
        and ($vote is null or ($vote = 'up' and coalesce(v.net_vote, 0) > 0)
            or ($vote = 'down' and coalesce(v.net_vote, 0) < 0) or ($vote = 'none' and coalesce(v.net_vote, 0) = 0))
        and ($tag is null or list_contains(r.tags, $tag))
        and ($reviewed is null or (r.message_id is not null) = $reviewed)
),
climbing as (
    select message_id as answer_id, parent_id, []::struct(role text, content text)[] as prompt from chosen
    union all
    select c.answer_id, m.parent_id, list_prepend({'role': m.role, 'content': m.content}, c.prompt)
    from climbing as c join messages as m on m.message_id = c.parent_id
),
rows_ as (
    select a.conversation_id, a.message_id, p.prompt, a.answer, a.version, a.adapter_hash, a.created_at, a.net_vote,
        a.likes, a.dislikes, a.approved, a.corrected_answer, a.tags, a.is_resolved
    from chosen as a join climbing as p on p.answer_id = a.message_id
    where (p.parent_id is null or p.parent_id not in (select message_id from messages where bot = $bot))
        and not list_contains([said.role for said in p.prompt], 'tool')
)
"""
PICK: Final[dict[Form, str]] = {
    "parquet": "select * from rows_",
    "jsonl": "select * from rows_",
    "kto": """
select prompt, [{'role': 'assistant', 'content': answer}] as completion, net_vote > 0 as label
from rows_ where net_vote <> 0 and len(prompt) > 0""",
}
HOW: Final[dict[Form, str]] = {
    "parquet": "format parquet, compression zstd",
    "jsonl": "format json",
    "kto": "format json",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers; None takes all."""

    since: datetime | None = None
    until: datetime | None = None
    vote: Literal["up", "down", "none"] | None = None
    """Of the sum of all votes on it."""
    version: int | None = None
    tag: str | None = None
    reviewed: bool | None = None


def write_answers(cursor: Cursor, *, bot: BotName, form: Form, wanted: Wanted, target: Path) -> int:
    """Write the file; how many rows it has. `target` lies where the record may write: in the temporary folder."""
    name = str(target).replace("'", "''")
    statement = f"copy ({ANSWERS}{PICK[form]}) to '{name}' ({HOW[form]})"
    [(rows,)] = cursor.execute(statement, {"bot": bot} | asdict(wanted)).fetchall()
    return int(rows)
