"""Write recorded answers as rows for other programmes: DuckDB does the work, a slice of conversations at a time.

A row is an answer with all that led to it and what people thought of it; or, as TRL's KTO wants it, a prompt, a
completion and whether more people liked it than not. Does not know who asks, nor our own form, which alone comes in
again with everything (`collect.formats.write`).
"""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

import pyarrow.parquet as pq

from collect.formats.talks import CHOSEN, no_talks, slice_talks
from collect.store import Cursor
from nightschool.records import BotName

Form = Literal["parquet", "jsonl", "kto"]
SLICE_MESSAGES: Final = 10_000
"""Each answer comes with all that led to it, so its rows are larger than they."""
RATED_SLICE_MESSAGES: Final = 50_000
"""Where most answers are no row."""
# Each answer climbs to the first message above it; what a failed engine left as nothing is no answer. One that rests on
# what a caller's tool found is no row.
ANSWERS: Final = f"""
with recursive talks as ({CHOSEN}),
told as (
    select m.message_id, m.conversation_id, m.parent_id, m.role, m.content, m.version, m.adapter_hash, m.created_at,
        m.position, t.created_at as begun_at
    from messages as m join talks as t using (conversation_id) where m.rowid between $first_row and $last_row
),
voted as (
    select message_id, sum(case vote when 'up' then 1 when 'down' then -1 else 0 end)::integer as net_vote,
        count(*) filter (vote = 'up') as likes, count(*) filter (vote = 'down') as dislikes
    from feedback semi join told using (message_id) where bot = $bot group by message_id
),
solved as (
    select message_id, arg_max(is_resolved, said_at) as is_resolved from outcomes semi join told using (message_id)
    group by message_id
),
signalled as (
    select message_id, list(distinct kind order by kind) as signals from signals semi join told using (message_id)
    where strength > 0 group by message_id
),
chosen as (
    select m.message_id, m.conversation_id, m.parent_id, m.content as answer, m.version, m.adapter_hash, m.created_at,
        coalesce(v.net_vote, 0) as net_vote, coalesce(v.likes, 0) as likes, coalesce(v.dislikes, 0) as dislikes,
        r.approved, r.corrected_answer, coalesce(r.tags, []) as tags, o.is_resolved,
        coalesce(s.signals, []) as signals, m.begun_at, m.position
    from told as m left join voted as v using (message_id) left join reviews as r using (message_id)
        left join solved as o using (message_id) left join signalled as s using (message_id)
    where m.role = 'assistant' and trim(m.content) <> ''
        and ($since is null or m.created_at >= $since) and ($until is null or m.created_at < $until)
        and ($version is null or m.version = $version)
        and ($vote is null or ($vote = 'up' and coalesce(v.net_vote, 0) > 0)
            or ($vote = 'down' and coalesce(v.net_vote, 0) < 0) or ($vote = 'none' and coalesce(v.net_vote, 0) = 0))
        and ($tag is null or list_contains(r.tags, $tag))
        and ($reviewed is null or (r.message_id is not null) = $reviewed)
        and (not $is_rated or coalesce(v.net_vote, 0) <> 0)
),
climbing as (
    select message_id as answer_id, parent_id, []::struct(role text, content text)[] as prompt from chosen
    union all
    select c.answer_id, m.parent_id, list_prepend({{'role': m.role, 'content': m.content}}, c.prompt)
    from climbing as c join told as m on m.message_id = c.parent_id
),
rows_ as (
    select a.conversation_id, a.message_id, p.prompt, a.answer, a.version, a.adapter_hash, a.created_at, a.net_vote,
        a.likes, a.dislikes, a.approved, a.corrected_answer, a.tags, a.is_resolved, a.signals, a.begun_at,
        a.position
    from chosen as a join climbing as p on p.answer_id = a.message_id
    where (p.parent_id is null or p.parent_id not in (select message_id from told))
        and not list_contains([said.role for said in p.prompt], 'tool')
)
"""
IN_ORDER: Final = "order by begun_at, conversation_id, position"
EACH: Final = f"{ANSWERS}select * exclude (begun_at, position) from rows_ {IN_ORDER}"
PICK: Final[Mapping[Form, str]] = {
    "parquet": EACH,
    "jsonl": EACH,
    "kto": f"""{ANSWERS}
select prompt, [{{'role': 'assistant', 'content': answer}}] as completion, net_vote > 0 as label
from rows_ where len(prompt) > 0 {IN_ORDER}""",
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

    @property
    def given(self) -> dict[str, str | int | bool]:
        """What was asked for, as JSON knows it."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in said.items()}


def write_answers(cursor: Cursor, *, bot: BotName, form: Form, wanted: Wanted, target: Path) -> int:
    """Write the file; how many rows it has. `target` lies where the record may write: in the temporary folder."""
    # Only what people liked or disliked is a row of KTO's: the rest is left out before it climbs.
    is_rated = form == "kto"
    size = RATED_SLICE_MESSAGES if is_rated else SLICE_MESSAGES
    parts = slice_talks(cursor, bot=bot, slice_messages=size) or [no_talks(bot)]
    asked = [part.messages | asdict(wanted) | {"is_rated": is_rated} for part in parts]
    return _write_parquet(cursor, asked, target) if form == "parquet" else _write_json(cursor, form, asked, target)


def _write_parquet(cursor: Cursor, asked: Iterable[Mapping[str, Any]], target: Path) -> int:
    count = 0
    with ExitStack() as opened:
        file: pq.ParquetWriter | None = None
        for one in asked:
            found = cursor.execute(PICK["parquet"], one).to_arrow_reader(SLICE_MESSAGES)
            file = file or opened.enter_context(pq.ParquetWriter(target, found.schema, compression="zstd"))
            for batch in found:
                file.write_batch(batch)
                count += batch.num_rows
    return count


def _write_json(cursor: Cursor, form: Form, asked: Iterable[Mapping[str, Any]], target: Path) -> int:
    part = target.with_name(f"{target.name}.part")
    name = str(part).replace("'", "''")
    count = 0
    try:
        with target.open("wb") as file:
            for one in asked:
                [(rows,)] = cursor.execute(f"copy ({PICK[form]}) to '{name}' (format json)", one).fetchall()
                with part.open("rb") as written:
                    shutil.copyfileobj(written, file)
                count += rows
    finally:
        part.unlink(missing_ok=True)
    return count
