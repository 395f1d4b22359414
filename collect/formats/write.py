"""Write conversations as OpenAI chat JSONL, with what people thought of them as metadata."""

import json
from collections.abc import Iterator
from typing import Any, Final

from collect.store import Cursor
from nightschool.records import BotName

CONVERSATIONS: Final = """
select conversation_id, source from conversations where bot = $bot order by created_at, conversation_id
"""
MESSAGES: Final = """
select m.conversation_id, m.message_id, m.parent_id, m.role, m.content, m.weight, m.version, f.vote, r.approved
from messages as m
left join (
    select message_id, arg_max(vote, voted_at) as vote from feedback group by message_id
) as f using (message_id)
left join reviews as r using (message_id)
where m.bot = $bot order by m.position
"""


def export_conversations(cursor: Cursor, *, bot: BotName) -> Iterator[str]:
    """A line for each way through a conversation's tree, down to its newest answer on that way."""
    sources = dict(cursor.execute(CONVERSATIONS, {"bot": bot}).fetchall())
    trees: dict[str, dict[str, tuple[Any, ...]]] = {}
    for row in cursor.execute(MESSAGES, {"bot": bot}).fetchall():
        trees.setdefault(row[0], {})[row[1]] = row[1:]
    for conversation_id, messages in trees.items():
        parents = {row[1] for row in messages.values()}
        for leaf in (message_id for message_id in messages if message_id not in parents):
            path = _path(messages, leaf)
            if path[-1][2] == "assistant":
                yield json.dumps(_line(conversation_id, sources[conversation_id], path), ensure_ascii=False)


def _path(messages: dict[str, tuple[Any, ...]], leaf: str) -> list[tuple[Any, ...]]:
    path = [messages[leaf]]
    while path[-1][1] in messages:
        path.append(messages[path[-1][1]])
    return path[::-1]


def _line(conversation_id: str, source: str, path: list[tuple[Any, ...]]) -> dict[str, Any]:
    said = []
    for _, _, role, content, weight, *_ in path:
        message = {"role": role, "content": content}
        if role == "assistant" and weight == 0:
            message["weight"] = 0
        said.append(message)
    votes = {row[0]: row[6] for row in path if row[6] not in {None, "none"}}
    approved = [row[0] for row in path if row[7]]
    metadata = {"conversation_id": conversation_id, "source": source, "votes": votes, "approved": approved}
    return {"messages": said, "metadata": metadata}
