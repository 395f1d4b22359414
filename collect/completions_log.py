"""What a key's callers asked and were answered, as rows to grade: each answer with all that stood before it.

One that rests on what a caller's tool found is none: whoever is graded has no tools.

Does not know what is done with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.lookup import find_rows
from collect.store import Cursor
from nightschool.owners import belonging
from nightschool.records import ChatMessage

LOGGED: Final = f"""
select m.message_id, m.conversation_id, m.bot, m.content, m.finish, m.version, m.source, m.prompt_tokens,
    m.completion_tokens, m.created_at, m.parent_id, m.position
from messages as m join conversations as c using (conversation_id)
where {belonging("c.owner", "owner")} and c.source = 'api' and m.role = 'assistant' and m.source in ('api', 'verified')
    and m.finish in ('stop', 'length') and not exists (
        select 1 from messages as called where called.conversation_id = m.conversation_id
            and called.position < m.position and called.tools_json is not null
    )
""".strip()
NEWEST: Final = f"""
{LOGGED}
    and ($bot is null or m.bot = $bot)
    and ($after is null or m.created_at >= $after) and ($before is null or m.created_at <= $before)
order by m.position desc limit $limit
"""
BY_ID: Final = f"""
{LOGGED}
    and m.message_id in (select unnest($ids::text[]))
"""
ASKED: Final = """
select message_id, parent_id, role, content
from messages where conversation_id in ({names})
"""


@dataclass(frozen=True, slots=True)
class LoggedCompletion:
    completion_id: str
    bot: str
    version: int | None
    is_verified: bool
    """No version gave it: an operator's words."""
    asked: tuple[ChatMessage, ...]
    answer: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    created_at: datetime


def logged_completions(
    cursor: Cursor, *, owner: str, bot: str | None, after: datetime | None, before: datetime | None, limit: int
) -> list[LoggedCompletion]:
    """The owner's whole answers, the newest `limit` of them, oldest first. An import or a chat of the page is none."""
    asked_for = {"owner": owner, "bot": bot, "after": after, "before": before, "limit": limit}
    return _completions(cursor, cursor.execute(NEWEST, asked_for).fetchall()[::-1])


def completions_by_id(cursor: Cursor, *, owner: str, ids: Sequence[str]) -> dict[str, LoggedCompletion]:
    """Those of the owner's that are still there."""
    found = _completions(cursor, cursor.execute(BY_ID, {"owner": owner, "ids": list(ids)}).fetchall())
    return {one.completion_id: one for one in found}


def _completions(cursor: Cursor, answers: Sequence[tuple[Any, ...]]) -> list[LoggedCompletion]:
    if not answers:
        return []
    said: dict[str, tuple[str | None, ChatMessage]] = {}
    for message_id, parent_id, role, content in find_rows(cursor, ASKED, sorted({row[1] for row in answers})):
        said[message_id] = (parent_id, ChatMessage(role=role, content=content))
    return [_completion(row, said) for row in answers]


def _completion(row: tuple[Any, ...], said: Mapping[str, tuple[str | None, ChatMessage]]) -> LoggedCompletion:
    path: list[ChatMessage] = []
    above = row[10]
    while above is not None:
        above, message = said[above]
        path.append(message)
    before = tuple(reversed(path))
    return LoggedCompletion(
        row[0], row[2], row[5], row[6] == "verified", before, row[3], row[4], row[7], row[8], row[9].astimezone(UTC)
    )
