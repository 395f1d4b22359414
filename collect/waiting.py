"""What people think an answer should have been, and no operator has ruled on yet: one line for each suggestion.

Who wrote nearly the same for the same question stands behind one line, and forty newcomers lift it no higher than one.
A suggestion is off the list once an operator ruled on its answer, or on the same answer to the same question anywhere.
Does not know what is learnt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.store import Cursor
from nightschool.independent import Voice, count_independent, is_known
from nightschool.records import BotName
from nightschool.text import fold, gist, is_same

# The few suggestions first, then what they are about: a join of whole tables reads every text there is.
SUGGESTED: Final = """
with suggested as (
    select message_id, bot, voter, ideal_answer, voted_at, coalesce(address, '') as address
    from feedback anti join reviews using (message_id)
    where vote <> 'none' and trim(ideal_answer) <> '' and ($bot is null or bot = $bot)
),
seen as (
    select bot, owner as voter, min(created_at) as since from conversations
    where owner in (select voter from suggested) group by bot, owner
),
answers as (
    select message_id, parent_id, content from messages where message_id in (select message_id from suggested)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select s.message_id, s.bot, s.voter, s.ideal_answer, s.voted_at, a.content, coalesce(q.content, ''), s.address, n.since
from suggested as s
left join seen as n on n.bot = s.bot and n.voter = s.voter
join answers as a using (message_id)
left join questions as q on q.message_id = a.parent_id
order by s.voted_at, s.message_id, s.voter
"""
RULED: Final = """
with answers as (
    select message_id, bot, parent_id, content from messages where message_id in (
        select message_id from reviews where $bot is null or bot = $bot
    )
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select a.bot, coalesce(q.content, ''), a.content
from answers as a left join questions as q on q.message_id = a.parent_id
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A suggestion, its words as they were written last."""

    message_id: str
    """The oldest answer that it was made for; a ruling on that one is a ruling on all that say the same."""
    bot: BotName
    question: str
    answer: str
    proposal: str
    persons: int
    """How many wrote nearly the same."""
    first_at: datetime
    """When the first of them did."""
    independent: int = 1
    """So many of them can be told apart: newcomers, and those of one address, are one."""


class _Suggested(NamedTuple):
    message_id: str
    bot: str
    voter: str
    proposal: str
    voted_at: datetime
    answer: str
    question: str
    address: str
    since: datetime | None

    @property
    def about(self) -> tuple[str, str, str]:
        return self.bot, fold(self.question), fold(self.answer)


def list_waiting(cursor: Cursor, *, bot: BotName | None = None, limit: int = 100) -> list[Waiting]:
    """What most independent persons agree on first, then the oldest."""
    ruled = {(row[0], fold(row[1]), fold(row[2])) for row in cursor.execute(RULED, {"bot": bot}).fetchall()}
    rows = [_Suggested(*row) for row in cursor.execute(SUGGESTED, {"bot": bot}).fetchall()]
    open_ones = [row for row in rows if row.about not in ruled and not is_same(row.proposal, row.answer)]
    found = [_waiting(group) for group in _groups(open_ones)]
    return sorted(found, key=lambda one: (-one.independent, one.first_at, one.message_id))[:limit]


def _groups(rows: Iterable[_Suggested]) -> Iterable[list[_Suggested]]:
    groups: dict[Any, list[_Suggested]] = {}
    for row in rows:
        groups.setdefault((row.bot, fold(row.question), gist(row.proposal)), []).append(row)
    return groups.values()


def _waiting(group: list[_Suggested]) -> Waiting:
    first, last = group[0], group[-1]
    return Waiting(
        message_id=first.message_id,
        bot=BotName(first.bot),
        question=first.question,
        answer=first.answer,
        proposal=last.proposal,
        persons=len({row.voter for row in group}),
        first_at=first.voted_at.astimezone(UTC),
        independent=count_independent(
            Voice(row.voter, row.address, is_known(since=row.since, at=row.voted_at)) for row in group
        ),
    )
