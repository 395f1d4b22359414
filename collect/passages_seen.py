"""What a bot's documents and its team's answers hold for each question of the record, as a file for the night.

For an answer that was served with passages it is those; for all others, such as imported ones, what is found now. One
row for each course of questions, by a hash of their texts, so that whoever reads it needs no ids of ours; none holds an
answer of a conversation that ran the same course, since there stands what the row is to learn. Only of conversations
that may teach: those that were imported, rated or reviewed. Does not know how passages are found.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from collect.chat_settings import PRIVATE
from collect.grounds import passages_of
from collect.store import Cursor
from nightschool.knowledge import Found, Passage, key_of
from nightschool.records import BotName

FILE: Final = "passages.parquet"
Find = Callable[[Sequence[str], Collection[str]], Found]
"""Questions of a conversation, oldest first, and conversations -> what is found for the last question elsewhere."""
CONCERNED: Final = f"""
select message_id, conversation_id, parent_id, role, content, passage_ids
from messages where bot = $bot and role <> 'system' and conversation_id in (
    select conversation_id from conversations where bot = $bot and source in ('import', 'api')
    union select m.conversation_id from feedback as f join messages as m using (message_id) where f.bot = $bot
    union select m.conversation_id from reviews as r join messages as m using (message_id) where r.bot = $bot
) and conversation_id not in ({PRIVATE}) and created_at <= $at order by conversation_id, position
"""
# What was found may be older than an erasure.
MAY_TEACH: Final = f"""
select conversation_id from conversations where bot = $bot and conversation_id not in ({PRIVATE})
"""
FIELDS: Final = ("passage_id", "document", "heading", "text", "conversation_id")
PASSAGE: Final = pa.struct([(name, pa.string()) for name in FIELDS])
SCHEMA: Final = pa.schema([("key", pa.string()), ("passages", pa.list_(PASSAGE))])


def write_passages_seen(cursor: Cursor, *, bot: BotName, at: datetime, folder: Path, find: Find) -> None:
    """Into the snapshot's folder, before its manifest."""
    rows = cursor.execute(CONCERNED, {"bot": bot, "at": at}).fetchall()
    courses = list(_courses(rows))
    names = list({name for course in courses for name in course.recorded})
    kept = {passage.passage_id: passage for passage in passages_of(cursor, passage_ids=names)}
    may_teach = {name for (name,) in cursor.execute(MAY_TEACH, {"bot": bot}).fetchall()}
    own: dict[str, set[str]] = defaultdict(set)
    for course in courses:
        own[course.key].add(course.conversation_id)
    seen: dict[str, tuple[Passage, ...]] = {}
    for key, _, asked, recorded in courses:
        if recorded or key not in seen:
            found = [kept[name] for name in recorded if name in kept] if recorded else find(asked, own[key]).passages
            seen[key] = tuple(one for one in found if _may_stand(one, may_teach, own[key]))
    table = [
        {"key": key, "passages": [{name: getattr(one, name) for name in PASSAGE.names} for one in passages]}
        for key, passages in sorted(seen.items())
    ]
    pq.write_table(pa.Table.from_pylist(table, schema=SCHEMA), folder / FILE)


class _Course(NamedTuple):
    """The questions that led to an answer, which may be missing."""

    key: str
    conversation_id: str
    asked: Sequence[str]
    recorded: Sequence[str]
    """Passages that it was given."""


def _courses(rows: Sequence[tuple[Any, ...]]) -> Iterator[_Course]:
    questions: dict[str | None, list[str]] = {None: []}
    for message_id, conversation_id, parent_id, role, content, passage_ids in rows:
        before = questions.get(parent_id, [])
        questions[message_id] = [*before, content] if role == "user" else before
        if role == "assistant" and before:
            yield _Course(key_of(before), conversation_id, before, passage_ids or ())


def _may_stand(passage: Passage, may_teach: Collection[str], own: Collection[str]) -> bool:
    name = passage.conversation_id
    return not name or (name in may_teach and name not in own)
