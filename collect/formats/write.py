"""Write conversations as OpenAI chat JSONL, with what people thought of them as metadata.

What is written can be read and imported again (`collect.formats.read`).
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from collect.store import Cursor
from nightschool.records import BotName

CONVERSATIONS: Final = """
select conversation_id, source from conversations where bot = $bot order by created_at, conversation_id
"""
MESSAGES: Final = """
select m.conversation_id, m.message_id, m.parent_id, m.role, m.content, m.weight, f.vote, r.approved
from messages as m
left join (
    select message_id, arg_max(vote, voted_at) as vote from feedback where vote <> 'none' group by message_id
) as f using (message_id)
left join reviews as r using (message_id)
where m.bot = $bot order by m.conversation_id, m.position
"""


class _Said(NamedTuple):
    message_id: str
    parent_id: str | None
    role: str
    content: str
    weight: int
    vote: str | None
    """The newest of anybody's; None where there is none."""
    is_approved: bool | None

    @property
    def is_answer(self) -> bool:
        """False also for the nothing that a failed engine said."""
        return self.role == "assistant" and bool(self.content.strip())


def export_conversations(cursor: Cursor, *, bot: BotName) -> Iterator[str]:
    """A line for each answer that no other one follows, with what led to it, oldest conversation first.

    Consume it before the cursor is closed.
    """
    trees: dict[str, dict[str, _Said]] = {}
    for conversation_id, *rest in cursor.execute(MESSAGES, {"bot": bot}).fetchall():
        said = _Said(*rest)
        trees.setdefault(conversation_id, {})[said.message_id] = said
    for conversation_id, source in cursor.execute(CONVERSATIONS, {"bot": bot}).fetchall():
        tree = trees.get(conversation_id, {})
        for leaf in _last_answers(tree):
            line = _line(conversation_id, source, _path(tree, leaf))
            yield json.dumps(line, ensure_ascii=False)


def _last_answers(tree: Mapping[str, _Said]) -> list[_Said]:
    answers = [said for said in tree.values() if said.is_answer]
    followed = {before.message_id for answer in answers for before in _path(tree, answer)[:-1]}
    return [answer for answer in answers if answer.message_id not in followed]


def _path(tree: Mapping[str, _Said], leaf: _Said) -> list[_Said]:
    path = [leaf]
    while (before := tree.get(path[-1].parent_id or "")) is not None:
        path.append(before)
    return path[::-1]


def _line(conversation_id: str, source: str, path: list[_Said]) -> dict[str, Any]:
    heard: list[dict[str, Any]] = []
    for said in path:
        if said.role == "assistant" and not said.is_answer:
            # The engine failed: its question goes with the answer it never got.
            while heard and heard[-1]["role"] == "user":
                heard.pop()
            continue
        message: dict[str, Any] = {"role": said.role, "content": said.content}
        heard.append(message if said.weight else message | {"weight": 0})
    metadata = {
        "conversation_id": conversation_id,
        "source": source,
        "votes": {said.message_id: said.vote for said in path if said.vote},
        "approved": [said.message_id for said in path if said.is_approved],
    }
    return {"messages": heard, "metadata": metadata}
