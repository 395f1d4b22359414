"""What people think of answers: one row for each answer and voter as it stands now, and every change behind it.

A changed mind keeps nothing of the other one: what was said with a dislike goes when it is taken back or turns into a
like. The same opinion again is one opinion, whenever it was said; a suggestion that says what the answer says is none.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from collect.conversations import message
from collect.store import Cursor
from collect.verified.served import heed_vote
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Feedback, Message, Source, Vote
from nightschool.text import clean_text, is_same

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
NEWEST: Final = """
with chosen as (
    select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
    from feedback
    where vote <> 'none' and ($bot is null or bot = $bot) and ($vote is null or vote = $vote)
    order by voted_at desc, message_id, voter limit $limit
),"""
ONE: Final = """
with chosen as (
    select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
    from feedback where message_id = $message_id
),"""
WITH_ITS_TEXTS: Final = """
answers as (
    select message_id, parent_id, content, version
    from messages where message_id in (select message_id from chosen)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select f.message_id, f.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at,
    coalesce(q.content, ''), a.content, a.version, r.approved, r.corrected_answer
from chosen as f
join answers as a using (message_id)
left join questions as q on q.message_id = a.parent_id
left join reviews as r on r.message_id = f.message_id
order by f.voted_at desc, f.message_id, f.voter
"""
VOTABLE: Final = frozenset({Source.CHAT, Source.API, Source.VERIFIED})


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """An opinion with what it is about, for an operator to read."""

    feedback: Feedback
    question: str
    answer: str
    version: int | None
    is_approved: bool | None
    """The operator's review; None where there is none yet."""
    ruled_text: str | None = None
    """What the review lets in; empty where it keeps the answer out."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person says of an answer now; None keeps what was said before."""

    vote: Vote | None = None
    reasons: Sequence[str] | None = None
    comment: str | None = None
    ideal_answer: str | None = None


class Heard(NamedTuple):
    feedback: Feedback
    """The opinion as it stands."""
    is_new: bool
    """False where it stood so already."""


class _Stored(NamedTuple):
    feedback: Feedback
    row: int


def record_opinion(cursor: Cursor, *, message_id: str, voter: str, opinion: Opinion, at: datetime) -> Heard:
    """Put what is said now over what was said before, in one transaction: two of one voter at once lose neither.

    Raises NotFound, InvalidInput for no answer of ours and for what is no text.
    """
    about = _votable(message(cursor, message_id=message_id))
    nothing = Feedback(message_id, about.bot, voter, Vote.NONE, (), "", "", at)
    stored = _stored(cursor, message_id=message_id, voter=voter)
    before = stored.feedback if stored else nothing
    if before.vote is not Vote.NONE and opinion.vote not in {None, before.vote}:
        before = nothing
    now = replace(
        before,
        vote=before.vote if opinion.vote is None else opinion.vote,
        reasons=before.reasons
        if opinion.reasons is None
        else tuple(clean_text(reason, subject="reasons", param="reasons") for reason in opinion.reasons),
        comment=before.comment if opinion.comment is None else _cleaned(opinion.comment, "comment"),
        ideal_answer=before.ideal_answer
        if opinion.ideal_answer is None
        else _cleaned(opinion.ideal_answer, "ideal_answer"),
        # The order in which they come is the order that counts, also where the clock was set back in between.
        voted_at=max(at, stored.feedback.voted_at) if stored else at,
    )
    heard = _keep(cursor, _without_echo(now, about), stored)
    if heard.is_new and about.source is Source.VERIFIED:
        heed_vote(cursor, about=about, voter=voter, vote=heard.feedback.vote, at=heard.feedback.voted_at)
    return heard


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
    asked = {"bot": bot, "vote": vote, "limit": limit}
    return [_feedback_row(row) for row in cursor.execute(NEWEST + WITH_ITS_TEXTS, asked).fetchall()]


def find_opinion(cursor: Cursor, *, message_id: str, voter: str) -> FeedbackRow:
    """What one person thinks of one answer. Raises NotFound where they said nothing, or took it back."""
    for row in cursor.execute(ONE + WITH_ITS_TEXTS, {"message_id": message_id}).fetchall():
        found = _feedback_row(row)
        if found.feedback.voter == voter and found.feedback.vote is not Vote.NONE:
            return found
    raise NotFound("is there no more", subject="this opinion", remedy="Choose another one.")


def _votable(about: Message) -> Message:
    if about.role != "assistant" or about.source not in VOTABLE:
        raise InvalidInput(
            "is not an answer of this bot", subject=repr(about.message_id), remedy="Vote on answers only."
        )
    return about


def _without_echo(feedback: Feedback, about: Message) -> Feedback:
    return replace(feedback, ideal_answer="") if is_same(feedback.ideal_answer, about.content) else feedback


def _keep(cursor: Cursor, feedback: Feedback, stored: _Stored | None) -> Heard:
    if stored and replace(feedback, voted_at=stored.feedback.voted_at) == stored.feedback:
        return Heard(stored.feedback, is_new=False)
    row = asdict(feedback) | {"reasons": list(feedback.reasons)}
    if stored:
        change = {name: row[name] for name in ("vote", "reasons", "comment", "ideal_answer", "voted_at")}
        cursor.execute(CHANGE, change | {"row": stored.row})
    else:
        cursor.execute(ADD, row)
    cursor.execute(REMEMBER, row)
    return Heard(feedback, is_new=True)


def _cleaned(text: str, param: str) -> str:
    return clean_text(text, subject=param, param=param)


def _stored(cursor: Cursor, *, message_id: str, voter: str) -> _Stored | None:
    rows = cursor.execute(ON_MESSAGE, {"message_id": message_id}).fetchall()
    return next((_Stored(_feedback(row), row[8]) for row in rows if row[2] == voter), None)


def _feedback_row(row: tuple[Any, ...]) -> FeedbackRow:
    return FeedbackRow(_feedback(row), *row[8:])


def _feedback(row: tuple[Any, ...]) -> Feedback:
    voted_at: datetime = row[7]
    return Feedback(
        row[0], BotName(row[1]), row[2], Vote(row[3]), tuple(row[4]), row[5], row[6], voted_at.astimezone(UTC)
    )
