"""Which answers stand by an operator's word for the question they were given to: read from the record.

What an operator approved or corrected, and imported conversations that are marked as frequently asked questions. Only
where the question is the first thing that was said: a later one may mean something else without what came before it.
A ruling or an import that is taken back, or erased, is gone here with the next reading. Does not know how near
questions are.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.chat_settings import PRIVATE
from collect.store import Cursor
from nightschool.pii.mask import PLACEHOLDER
from nightschool.pii.patterns import find_shaped
from nightschool.records import BotName

ORDER: Final = re.compile(r"[^\W_]*\d[^\W_]*\d[^\W_]*\d[^\W_]*\d[^\W_]*\d[^\W_]*")

# Every switch is newer than the ruling it is about, or it is about an earlier ruling.
PAIRS: Final = f"""
with latest as (
    select message_id, arg_max(is_on, position) as is_on, arg_max(switched_by, position) as switched_by,
        arg_max(reason, position) as reason, arg_max(switched_at, position) as switched_at
    from verified_switches where bot = $bot group by message_id
),
ruled as (
    select message_id, corrected_answer as answer, reviewer as verified_by, reviewed_at as verified_at
    from reviews where bot = $bot and approved and corrected_answer <> ''
),
brought as (
    select m.message_id, m.content as answer, 'import' as verified_by, m.created_at as verified_at
    from messages as m semi join faq using (conversation_id) anti join reviews using (message_id)
    where m.bot = $bot and m.role = 'assistant' and m.weight <> 0 and m.content <> ''
),
words as (select * from ruled union all select * from brought)
select w.message_id, q.content, w.answer, w.verified_by, w.verified_at,
    coalesce(s.is_on or s.switched_at < w.verified_at, true), coalesce(s.switched_by, ''), coalesce(s.reason, '')
from words as w
join messages as a on a.message_id = w.message_id
join messages as q on q.message_id = a.parent_id
left join latest as s on s.message_id = w.message_id
where q.role = 'user' and q.parent_id is null and q.conversation_id not in ({PRIVATE})
order by w.verified_at, w.message_id
"""
REFUSED: Final = """
select q.content, a.content
from reviews as r
join messages as a on a.message_id = r.message_id
join messages as q on q.message_id = a.parent_id
where r.bot = $bot and q.parent_id is null and not r.approved
"""
MARK: Final = """
select (select count(*) from reviews where bot = $bot), (select max(reviewed_at) from reviews where bot = $bot),
    (select count(*) from review_history where bot = $bot), (select count(*) from verified_switches where bot = $bot),
    (select count(*) from messages semi join faq using (conversation_id) where bot = $bot),
    (select max(changed_at) from chat_settings)
"""
FIRST_QUESTIONS: Final = """
select q.content from messages as q
where q.bot = $bot and q.role = 'user' and q.parent_id is null and q.source in ('chat', 'api')
    and q.created_at >= $since
order by q.position desc limit $limit
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A question and the answer that stands for it."""

    message_id: str
    """The answer that was ruled on, or imported."""
    question: str
    answer: str
    verified_by: str
    """The operator, or `import`."""
    verified_at: datetime
    is_on: bool = True
    """Whether it may be served."""
    switched_by: str = ""
    """Who switched it last; empty where nobody did."""
    reason: str = ""


class Hit(NamedTuple):
    """An answer that may do."""

    pair: Pair
    score: float
    """Up to 2, which is the very question's."""


class Refusal(NamedTuple):
    """A question and an answer that an operator turned down for it."""

    question: str
    answer: str


def list_pairs(cursor: Cursor, *, bot: BotName) -> list[Pair]:
    """Oldest word first; none that is about one person."""
    pairs = (_pair(row) for row in cursor.execute(PAIRS, {"bot": bot}).fetchall())
    return [pair for pair in pairs if not is_personal(pair.question, pair.answer)]


def is_personal(question: str, answer: str) -> bool:
    """Whether the question gives away whose it is (a mailbox, a phone, a card, an address), or the answer is about an
    order number that the question names, or a placeholder stands for either. Names of people are not seen."""
    if PLACEHOLDER.search(f"{question} {answer}"):
        return True
    return any(find_shaped(question)) or bool(set(ORDER.findall(question)) & set(ORDER.findall(answer)))


def list_refusals(cursor: Cursor, *, bot: BotName) -> list[Refusal]:
    return [Refusal(*row) for row in cursor.execute(REFUSED, {"bot": bot}).fetchall()]


def read_mark(cursor: Cursor, *, bot: BotName) -> tuple[Any, ...]:
    """Changes whenever what the other questions find may have changed."""
    [row] = cursor.execute(MARK, {"bot": bot}).fetchall()
    return tuple(row)


def first_questions(cursor: Cursor, *, bot: BotName, since: datetime, limit: int) -> Sequence[str]:
    """What conversations began with, the newest first."""
    rows = cursor.execute(FIRST_QUESTIONS, {"bot": bot, "since": since, "limit": limit}).fetchall()
    return [question for (question,) in rows]


def _pair(row: tuple[Any, ...]) -> Pair:
    return Pair(row[0], row[1], row[2], row[3], row[4].astimezone(UTC), row[5], row[6], row[7])
