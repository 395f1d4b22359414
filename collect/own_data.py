"""All that the record holds of one person's chats, for them to take along: what was said, by whom, their votes, how the
chats were scored, whether they solved what they came for, what they handed over to the team, and which signs there are
of what they thought.

Does not know who asks for it, nor what of it was learnt.
"""

from collections import defaultdict
from datetime import datetime
from typing import Any, Final

from collect.store import Cursor

CHATS: Final = """
select c.conversation_id, c.bot, coalesce(nullif(s.title, ''), c.title) as title, c.created_at,
    coalesce(s.is_pinned, false) as is_pinned, coalesce(s.is_private, false) as is_private
from conversations as c left join chat_settings as s using (conversation_id)
where c.owner = $owner order by c.created_at, c.conversation_id
"""
SAID: Final = """
select conversation_id, message_id, parent_id, role, content, created_at, version
from messages where conversation_id in (select conversation_id from conversations where owner = $owner)
order by conversation_id, position
"""
VOTES: Final = """
select message_id, vote, reasons, comment, ideal_answer, voted_at
from feedback where voter = $owner order by voted_at, message_id
"""
OUTCOMES: Final = """
select conversation_id, message_id, is_resolved, said_at from outcomes
where conversation_id in (select conversation_id from conversations where owner = $owner) order by said_at
"""
SCORES: Final = """
select conversation_id, message_id, name, kind, number, category, said_at from scores
where conversation_id in (select conversation_id from conversations where owner = $owner) order by said_at, name
"""
PREFERENCES: Final = """
select conversation_id, older_id, newer_id, is_older_left, choice, chosen_at
from preferences where voter = $owner order by chosen_at
"""
SIGNALS: Final = """
select s.message_id, s.kind, s.said_at as at from signals as s join messages as m using (message_id)
where m.conversation_id in (select conversation_id from conversations where owner = $owner)
order by s.said_at, s.message_id, s.kind
"""
ESCALATIONS: Final = """
select e.conversation_id, e.contact, e.asked_at, e.sent_at, e.done_at
from escalations as e join conversations as c using (conversation_id)
where c.owner = $owner order by e.asked_at, e.escalation_id
"""


def own_data(cursor: Cursor, *, owner: str) -> dict[str, Any]:
    """JSON's own types, times in ISO 8601; without anything where the record holds nothing."""
    said = defaultdict(list)
    for row in _rows(cursor, SAID, owner):
        said[row.pop("conversation_id")].append(row)
    chats = [{**row, "messages": said[row["conversation_id"]]} for row in _rows(cursor, CHATS, owner)]
    beside = {
        "votes": VOTES,
        "scores": SCORES,
        "outcomes": OUTCOMES,
        "comparisons": PREFERENCES,
        "escalations": ESCALATIONS,
        "signals": SIGNALS,
    }
    found = {name: _rows(cursor, question, owner) for name, question in beside.items()}
    return {"schema_version": 1, "conversations": chats} | found


def _rows(cursor: Cursor, question: str, owner: str) -> list[dict[str, Any]]:
    rows = cursor.execute(question, {"owner": owner})
    names = [column[0] for column in rows.description or ()]
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows.fetchall()]


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value
