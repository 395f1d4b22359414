"""What a bot's documents hold for each question of the record, as a file for the night: beside the other tables.

For an answer that was served with passages it is those; for all others, such as imported ones, what is found now. One
row for each course of questions, by a hash of their texts, so that whoever reads it needs no ids of ours. Only of
conversations that may teach: those that were imported, rated or reviewed. Does not know how passages are found.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from collect.chat_settings import PRIVATE
from collect.grounds import passages_of
from collect.store import Cursor
from nightschool.knowledge import Found, Passage, key_of
from nightschool.records import BotName

FILE: Final = "passages.parquet"
Find = Callable[[Sequence[str]], Found]
"""Questions of a conversation, oldest first -> what the bot's documents hold for the last one."""
CONCERNED: Final = f"""
select message_id, parent_id, role, content, passage_ids
from messages where bot = $bot and role <> 'system' and conversation_id in (
    select conversation_id from conversations where bot = $bot and source in ('import', 'api')
    union select m.conversation_id from feedback as f join messages as m using (message_id) where f.bot = $bot
    union select m.conversation_id from reviews as r join messages as m using (message_id) where r.bot = $bot
) and conversation_id not in ({PRIVATE}) and created_at <= $at order by conversation_id, position
"""
PASSAGE: Final = pa.struct([(name, pa.string()) for name in ("passage_id", "document", "heading", "text")])
SCHEMA: Final = pa.schema([("key", pa.string()), ("passages", pa.list_(PASSAGE))])


def write_passages_seen(cursor: Cursor, *, bot: BotName, at: datetime, folder: Path, find: Find) -> None:
    """Into the snapshot's folder, before its manifest."""
    rows = cursor.execute(CONCERNED, {"bot": bot, "at": at}).fetchall()
    courses = list(_courses(rows))
    names = list({name for _, recorded in courses for name in recorded})
    kept = {passage.passage_id: passage for passage in passages_of(cursor, passage_ids=names)}
    seen: dict[str, tuple[Passage, ...]] = {}
    for asked, recorded in courses:
        key = key_of(asked)
        if recorded:
            seen[key] = tuple(kept[name] for name in recorded if name in kept)
        elif key not in seen:
            seen[key] = find(asked).passages
    table = [
        {"key": key, "passages": [{name: getattr(one, name) for name in PASSAGE.names} for one in passages]}
        for key, passages in sorted(seen.items())
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), folder / FILE)


def _courses(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[list[str], Sequence[str]]]:
    """For each answer the questions that led to it and the passages that it was given; an answer may be missing."""
    questions: dict[str | None, list[str]] = {None: []}
    for message_id, parent_id, role, content, passage_ids in rows:
        before = questions.get(parent_id, [])
        questions[message_id] = [*before, content] if role == "user" else before
        if role == "assistant" and before:
            yield before, passage_ids or ()
