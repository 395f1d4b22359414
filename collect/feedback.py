"""What people think of answers: one row for each answer and voter as it stands now, and every change behind it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.conversations import message
from collect.store import Cursor
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Feedback, Source, Vote

ADD: Final = """
insert into feedback (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
values ($message_id, $voter, $bot, $vote, $reasons, $comment, $ideal_answer, $voted_at)
"""
# By row, since DuckDB would scan the table for message and voter.
CHANGE: Final = """
update feedback set vote = $vote, reasons = $reasons, comment = $comment, ideal_answer = $ideal_answer,
    voted_at = $voted_at
where rowid = $row
"""
REMEMBER: Final = """
insert into feedback_history (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
values ($message_id, $voter, $bot, $vote, $reasons, $comment, $ideal_answer, $voted_at)
"""
# Of all voters, since a second condition beside the indexed one turns the index off.
ON_MESSAGE: Final = """
select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at, rowid
from feedback where message_id = $message_id
"""
IN_CONVERSATION: Final = """
select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
from feedback
where voter = $voter
    and message_id in (select message_id from messages where conversation_id = $conversation_id)
"""
# The few newest first, then what they are about: a join of whole tables reads every text there is.
LIST: Final = """
with newest as (
    select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
    from feedback
    where vote <> 'none' and ($bot is null or bot = $bot) and ($vote is null or vote = $vote)
    order by voted_at desc, message_id, voter limit $limit
),
answers as (
    select message_id, parent_id, content, version
    from messages where message_id in (select message_id from newest)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select f.message_id, f.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at,
    coalesce(q.content, ''), a.content, a.version, r.approved
from newest as f
join answers as a using (message_id)
left join questions as q on q.message_id = a.parent_id
left join reviews as r on r.message_id = f.message_id
order by f.voted_at desc, f.message_id, f.voter
"""
VOTABLE: Final = frozenset({Source.CHAT, Source.API})


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """An opinion with what it is about, for an operator to read."""

    feedback: Feedback
    question: str
    answer: str
    version: int | None
    is_approved: bool | None
    """The operator's review; None where there is none yet."""


class _Stored(NamedTuple):
    feedback: Feedback
    row: int


def record_vote(cursor: Cursor, *, feedback: Feedback) -> Feedback:
    """Keep the opinion and its history; the same one twice is one. Raises NotFound, InvalidInput for no answer of ours.

    A vote that is taken back is `Vote.NONE`: the row stays, and what was said before stays in the history.
    """
    about = message(cursor, message_id=feedback.message_id, bot=feedback.bot)
    if about.role != "assistant" or about.source not in VOTABLE:
        raise InvalidInput(
            "is not an answer of this bot", subject=repr(feedback.message_id), remedy="Vote on answers only."
        )
    stored = _stored(cursor, message_id=feedback.message_id, voter=feedback.voter)
    if stored and stored.feedback == feedback:
        return feedback
    row = asdict(feedback) | {"reasons": list(feedback.reasons)}
    if stored:
        change = {name: row[name] for name in ("vote", "reasons", "comment", "ideal_answer", "voted_at")}
        cursor.execute(CHANGE, change | {"row": stored.row})
    else:
        cursor.execute(ADD, row)
    cursor.execute(REMEMBER, row)
    return feedback


def feedback_of(cursor: Cursor, *, message_id: str, voter: str) -> Feedback | None:
    stored = _stored(cursor, message_id=message_id, voter=voter)
    return stored.feedback if stored else None


def feedback_in(cursor: Cursor, *, conversation_id: str, voter: str) -> dict[str, Feedback]:
    """A voter's opinions in a conversation, by message id."""
    rows = cursor.execute(IN_CONVERSATION, {"conversation_id": conversation_id, "voter": voter}).fetchall()
    return {row[0]: _feedback(row) for row in rows}


def list_feedback(
    cursor: Cursor, *, bot: BotName | None = None, limit: int = 100, vote: Vote | None = None
) -> list[FeedbackRow]:
    """Newest first; votes that were taken back are not shown."""
    rows = cursor.execute(LIST, {"bot": bot, "vote": vote, "limit": limit}).fetchall()
    return [FeedbackRow(_feedback(row), *row[8:]) for row in rows]


def _stored(cursor: Cursor, *, message_id: str, voter: str) -> _Stored | None:
    rows = cursor.execute(ON_MESSAGE, {"message_id": message_id}).fetchall()
    return next((_Stored(_feedback(row), row[8]) for row in rows if row[2] == voter), None)


def _feedback(row: tuple[Any, ...]) -> Feedback:
    voted_at: datetime = row[7]
    return Feedback(
        row[0], BotName(row[1]), row[2], Vote(row[3]), tuple(row[4]), row[5], row[6], voted_at.astimezone(UTC)
    )
