"""What people asked a bot, as its documents are asked: to see for which questions nothing is written down."""

from typing import Final, NamedTuple

from collect.store import Cursor
from nightschool.records import BotName

NEWEST: Final = """
select q.content, before.content, coalesce(c.is_held_out, s.side = 'held-out', false)
from messages as q
join conversations as c on c.conversation_id = q.conversation_id
left join messages as answer on answer.message_id = q.parent_id
left join messages as before on before.message_id = answer.parent_id and before.role = 'user'
left join sides as s on s.conversation_id = q.conversation_id
where q.bot = $bot and q.role = 'user'
order by q.created_at desc, q.message_id limit $limit
"""


class Asked(NamedTuple):
    question: str
    before: str | None
    """The question before it in its conversation."""
    is_held_out: bool
    """Whether nights examine with it."""

    @property
    def said(self) -> tuple[str, ...]:
        return (self.question,) if self.before is None else (self.before, self.question)


def newest_questions(cursor: Cursor, *, bot: BotName, limit: int) -> list[Asked]:
    return [Asked(*row) for row in cursor.execute(NEWEST, {"bot": bot, "limit": limit}).fetchall()]
