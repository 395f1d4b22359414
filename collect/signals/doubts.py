"""Next turns that the engine has not weighed yet, with all it needs for that, and what came of it.

Each is weighed once: one that speaks for its answer is kept too, with no strength. Does not know how one is weighed
(`deploy.doubts`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from collect.conversations import path_to
from collect.signals.detect import Kind, Signal
from collect.signals.found import FoundSignal, keep_signals
from collect.store import Cursor
from nightschool.records import BotName, ChatMessage

UNWEIGHED: Final = """
with answers as (
    select message_id, content from messages
    where bot = $bot and role = 'assistant' and source in ('chat', 'api') and finish is distinct from 'error'
        and content <> ''
)
select n.message_id, n.content, n.created_at, a.message_id, a.content
from messages as n join answers as a on a.message_id = n.parent_id
where n.bot = $bot and n.role = 'user' and n.source in ('chat', 'api')
    and n.conversation_id not in (select conversation_id from messages where bot = $bot and tools_json is not null)
    and n.message_id not in (select follow_up_id from signals where kind = 'doubt' and bot = $bot)
order by n.position desc limit $limit
"""


@dataclass(frozen=True, slots=True)
class FollowUp:
    follow_up_id: str
    text: str
    said_at: datetime
    answer_id: str
    answer: str
    before: tuple[ChatMessage, ...]
    """What the answer answered: the talk up to its question, without a system prompt."""


@dataclass(frozen=True, slots=True)
class Weighed:
    follow_up: FollowUp
    log_ratio: float
    """Natural log of how much likelier the answer is with its follow-up known, a token; negative is a doubt."""
    strength: float
    """0..1."""


def find_unweighed(cursor: Cursor, *, bot: BotName, limit: int) -> list[FollowUp]:
    """The newest first."""
    rows = cursor.execute(UNWEIGHED, {"bot": bot, "limit": limit}).fetchall()
    return [
        FollowUp(follow_up_id, text, said_at, answer_id, answer, _before(cursor, answer_id=answer_id))
        for follow_up_id, text, said_at, answer_id, answer in rows
    ]


def keep_weighed(cursor: Cursor, *, bot: BotName, weighed: Sequence[Weighed]) -> None:
    """Keeping it twice is keeping it once."""
    found = [
        FoundSignal(
            follow_up_id=one.follow_up.follow_up_id,
            message_id=one.follow_up.answer_id,
            bot=bot,
            said_at=one.follow_up.said_at,
            signal=Signal(Kind.DOUBT, f"{one.log_ratio:+.3f}", one.strength),
        )
        for one in weighed
    ]
    keep_signals(cursor, found)


def _before(cursor: Cursor, *, answer_id: str) -> tuple[ChatMessage, ...]:
    path = path_to(cursor, message_id=answer_id)[:-1]
    return tuple(ChatMessage(role=message.role, content=message.content) for message in path)
