"""Where API calls stand by the path that led to them, so that a call that sends its history along is told by it.

A path is a hash over who asks, under which instructions, and every turn up to a message (`serve.calls`). Does not know
what is hashed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from collect.lookup import find_rows
from collect.store import Cursor

NEWEST: Final = 50
"""Of those that came along one path: "Hello!" and "Hi." are the beginning of many."""
ADD: Final = """
insert into call_paths (path_hash, message_id, conversation_id)
select unnest($path_hash::text[]), unnest($message_id::text[]), unnest($conversation_id::text[])
"""
FIND: Final = """
select path_hash, message_id, conversation_id from call_paths where path_hash = $path_hash
order by rowid desc limit $limit
"""
PARENTS: Final = "select parent_id, message_id from messages where conversation_id in ({names})"


@dataclass(frozen=True, slots=True)
class CallPath:
    """Of a question or an answer of ours."""

    path_hash: str
    message_id: str
    conversation_id: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes on."""

    conversation_id: str
    answer_id: str
    """Behind which it stands."""
    question_id: str | None
    """Where the very question was asked there before."""


FIELDS: Final = tuple(field.name for field in fields(CallPath))


def keep_paths(cursor: Cursor, paths: Sequence[CallPath]) -> None:
    if paths:
        cursor.execute(ADD, {name: [getattr(path, name) for path in paths] for name in FIELDS})


def find_place(cursor: Cursor, *, histories: Sequence[str], question: str) -> Place | None:
    """Behind which answer a call goes on: `histories` are the paths to the answers that it sends along, oldest first,
    `question` its own. The newest that nobody went on from, else the newest; None where none is known."""
    for history in reversed(histories):
        rows = cursor.execute(FIND, {"path_hash": history, "limit": NEWEST}).fetchall()
        if not rows:
            continue
        paths = [CallPath(*row) for row in rows]
        children: dict[str, list[str]] = {}
        for parent, child in find_rows(cursor, PARENTS, sorted({path.conversation_id for path in paths})):
            children.setdefault(parent, []).append(child)
        free = [path for path in paths if path.message_id not in children]
        chosen = (free or paths)[0]
        below = children.get(chosen.message_id, ())
        asked = cursor.execute(FIND, {"path_hash": question, "limit": NEWEST}).fetchall() if below else []
        again = next((message_id for _, message_id, _ in asked if message_id in below), None)
        return Place(chosen.conversation_id, chosen.message_id, again)
    return None
