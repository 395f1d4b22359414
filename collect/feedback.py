"""What people think of answers: one row for each answer and voter as it stands now, and every change behind it."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.conversations import message
from collect.store import Cursor
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Feedback, Source, Vote

UPSERT: Final = """
insert into feedback (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
values ($message_id, $voter, $bot, $vote, $reasons, $comment, $ideal_answer, $voted_at)
on conflict (message_id, voter) do update set vote = excluded.vote, reasons = excluded.reasons,
    comment = excluded.comment, ideal_answer = excluded.ideal_answer, voted_at = excluded.voted_at
"""
REMEMBER: Final = """
insert into feedback_history (message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
values ($message_id, $voter, $bot, $vote, $reasons, $comment, $ideal_answer, $voted_at)
"""
ONE: Final = """
select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
from feedback where message_id = $message_id and voter = $voter
"""
IN_CONVERSATION: Final = """
select f.message_id, f.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at
from feedback as f join messages as m using (message_id)
where m.conversation_id = $conversation_id and f.voter = $voter
"""
LIST: Final = """
select f.message_id, f.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at,
    coalesce(q.content, ''), a.content, a.version, r.approved
from feedback as f
join messages as a using (message_id)
left join messages as q on q.message_id = a.parent_id
left join reviews as r on r.message_id = f.message_id
where ($bot is null or f.bot = $bot)
    and ($vote is null or f.vote = $vote)
    and (f.vote <> 'none' or f.comment <> '' or f.ideal_answer <> '')
order by f.voted_at desc, f.message_id limit $limit
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


def record_vote(cursor: Cursor, *, feedback: Feedback) -> Feedback:
    """Keep the opinion and its history. Raises NotFound, and InvalidInput for what is no answer of ours."""
    about = message(cursor, message_id=feedback.message_id)
    if about.role != "assistant" or about.source not in VOTABLE:
        raise InvalidInput(
            "is not an answer of this bot", subject=repr(feedback.message_id), remedy="Vote on answers only."
        )
    row = asdict(feedback) | {"reasons": list(feedback.reasons)}
    cursor.execute(UPSERT, row)
    cursor.execute(REMEMBER, row)
    return feedback


def feedback_of(cursor: Cursor, *, message_id: str, voter: str) -> Feedback | None:
    row = cursor.execute(ONE, {"message_id": message_id, "voter": voter}).fetchone()
    return None if row is None else _feedback(row)


def feedback_in(cursor: Cursor, *, conversation_id: str, voter: str) -> dict[str, Feedback]:
    """A voter's opinions in a conversation, by message id."""
    rows = cursor.execute(IN_CONVERSATION, {"conversation_id": conversation_id, "voter": voter}).fetchall()
    return {row[0]: _feedback(row) for row in rows}


def list_feedback(
    cursor: Cursor, *, bot: BotName | None = None, limit: int = 100, vote: Vote | None = None
) -> list[FeedbackRow]:
    """Newest first; votes that were taken back are not shown, unless something was written with them."""
    rows = cursor.execute(LIST, {"bot": bot, "vote": vote, "limit": limit}).fetchall()
    return [FeedbackRow(_feedback(row), *row[8:]) for row in rows]


def _feedback(row: tuple[Any, ...]) -> Feedback:
    voted_at: datetime = row[7]
    return Feedback(
        row[0], BotName(row[1]), row[2], Vote(row[3]), tuple(row[4]), row[5], row[6], voted_at.astimezone(UTC)
    )
