"""What people think of answers: one row for each answer and voter as it stands now, and behind it what stood before.

A changed mind keeps nothing of the other one: what was said with a dislike goes when it is taken back or turns into a
like. The same opinion again is one opinion, whenever it was said; a suggestion that says what the answer says is none.
Named scores that are said with it are kept or refused with it, and stand by themselves (`collect.scores`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

from collect.conversations import not_recorded
from collect.lookup import find_rows
from collect.scores import ScoreBook, Scored
from collect.standing import About, Key, find_about, find_standing, opinion_id, read_feedback, replace_standing
from collect.store import Cursor
from collect.verified.served import heed_vote
from nightschool.errors import InvalidInput, NightschoolError, NotFound
from nightschool.records import BotName, Feedback, Source, Vote
from nightschool.scores import ScoreValue
from nightschool.text import clean_text, is_same

OPINION: Final = """
select message_id, bot, voter, vote, reasons, comment, ideal_answer, voted_at
from feedback where opinion_id = $opinion_id
"""
TEXTS: Final = "select message_id, content from messages where message_id in ({names})"
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
    from feedback where opinion_id = $opinion_id
),"""
WITH_ITS_TEXTS: Final = """
answers as (
    select message_id, parent_id, content, version, source
    from messages where message_id in (select message_id from chosen)
),
questions as (
    select message_id, content from messages where message_id in (select parent_id from answers)
)
select f.message_id, f.bot, f.voter, f.vote, f.reasons, f.comment, f.ideal_answer, f.voted_at,
    coalesce(q.content, ''), a.content, a.version, r.approved, r.corrected_answer, a.source = 'verified'
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
    is_verified: bool = False
    """The answer was an operator's words, and no version's."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person says of an answer now; None keeps what was said before."""

    vote: Vote | None = None
    reasons: Sequence[str] | None = None
    comment: str | None = None
    ideal_answer: str | None = None
    scores: Mapping[str, ScoreValue | None] | None = None
    """By name; one that is None is taken back."""


@dataclass(frozen=True, slots=True)
class Said:
    """An opinion, of which answer it is, whose and since when."""

    message_id: str
    voter: str
    opinion: Opinion
    at: datetime
    address: str = ""
    """A hash of where it came from (`nightschool.owners.address_behind`); empty where that is not known."""
    conversation_id: str = ""
    """The answer's; wanted where there are scores."""
    declared: frozenset[str] = frozenset()
    """Of the scores, those whose kind the bot's file says."""

    @property
    def scored(self) -> Scored | None:
        if not self.opinion.scores:
            return None
        return Scored(self.conversation_id, self.message_id, self.voter, self.opinion.scores, self.at, self.declared)


class Heard(NamedTuple):
    feedback: Feedback
    """The opinion as it stands."""
    is_new: bool
    """False where it stood so already."""


def record_opinion(cursor: Cursor, *, message_id: str, voter: str, opinion: Opinion, at: datetime) -> Heard:
    """As `record_opinions` for one. Raises NotFound, InvalidInput for no answer of ours and for what is no text."""
    [heard] = record_opinions(cursor, [Said(message_id, voter, opinion, at)])
    if isinstance(heard, NightschoolError):
        raise heard
    return heard


def record_opinions(cursor: Cursor, said: Sequence[Said]) -> list[Heard | NightschoolError]:
    """Put what is said now over what was said before, in one transaction: two of one voter at once lose neither.

    What became of each, in their order; one that is refused changes nothing.
    """
    about = find_about(cursor, (one.message_id for one in said))
    stored = find_standing(cursor, ((one.message_id, one.voter) for one in said))
    # Texts cost the most to read, and only a suggestion is compared with one.
    suggested = list({one.message_id for one in said if one.opinion.ideal_answer})
    texts = dict(find_rows(cursor, TEXTS, suggested))
    standing = {key: known.feedback for key, known in stored.items()}
    book = ScoreBook(cursor, [one.scored for one in said if one.scored])
    outcomes: list[Heard | NightschoolError] = []
    former: list[Feedback] = []
    addresses: dict[Key, str] = {}
    for one in said:
        try:
            before = standing.get((one.message_id, one.voter))
            heard = _hear(one, about.get(one.message_id), before, text=texts.get(one.message_id, ""))
            if one.scored:
                book.hear(one.scored)
        except NightschoolError as refusal:
            outcomes.append(refusal)
        else:
            if heard.is_new:
                standing[one.message_id, one.voter] = heard.feedback
            if heard.is_new and before is not None:
                former.append(before)
            if heard.is_new and one.address:
                addresses[one.message_id, one.voter] = one.address
            outcomes.append(heard)
    new = [heard.feedback for heard in outcomes if isinstance(heard, Heard) and heard.is_new]
    replace_standing(cursor, new=new, stored=stored, former=former, addresses=addresses)
    book.keep()
    for feedback in new:
        if about[feedback.message_id].source == Source.VERIFIED:
            heed_vote(cursor, feedback=feedback)
    return outcomes


def feedback_of(cursor: Cursor, *, message_id: str, voter: str) -> Feedback | None:
    row = cursor.execute(OPINION, {"opinion_id": opinion_id(message_id, voter)}).fetchone()
    return read_feedback(row) if row else None


def feedback_in(cursor: Cursor, *, conversation_id: str, voter: str) -> dict[str, Feedback]:
    """A voter's opinions in a conversation, by message id."""
    rows = cursor.execute(IN_CONVERSATION, {"conversation_id": conversation_id, "voter": voter}).fetchall()
    return {row[0]: read_feedback(row) for row in rows}


def list_feedback(
    cursor: Cursor, *, bot: BotName | None = None, limit: int = 100, vote: Vote | None = None
) -> list[FeedbackRow]:
    """Newest first; votes that were taken back are not shown."""
    asked = {"bot": bot, "vote": vote, "limit": limit}
    return [_feedback_row(row) for row in cursor.execute(NEWEST + WITH_ITS_TEXTS, asked).fetchall()]


def find_opinion(cursor: Cursor, *, message_id: str, voter: str) -> FeedbackRow:
    """What one person thinks of one answer. Raises NotFound where they said nothing, or took it back."""
    row = cursor.execute(ONE + WITH_ITS_TEXTS, {"opinion_id": opinion_id(message_id, voter)}).fetchone()
    if row is not None and (found := _feedback_row(row)).feedback.vote is not Vote.NONE:
        return found
    raise NotFound("is there no more", subject="this opinion", remedy="Choose another one.")


def _hear(said: Said, about: About | None, stored: Feedback | None, *, text: str) -> Heard:
    """What stands after it. `text` is the answer's, where another is suggested. Raises NotFound, InvalidInput."""
    if about is None:
        raise not_recorded(said.message_id)
    if about.role != "assistant" or about.source not in VOTABLE:
        raise InvalidInput(
            "is not an answer of this bot", subject=repr(about.message_id), remedy="Vote on answers only."
        )
    opinion = said.opinion
    nothing = Feedback(about.message_id, about.bot, said.voter, Vote.NONE, (), "", "", said.at)
    before = stored or nothing
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
        voted_at=max(said.at, stored.voted_at) if stored else said.at,
    )
    if opinion.ideal_answer and is_same(now.ideal_answer, text):
        now = replace(now, ideal_answer="")
    if stored and replace(now, voted_at=stored.voted_at) == stored:
        return Heard(stored, is_new=False)
    if opinion.scores and opinion == Opinion(scores=opinion.scores):
        return Heard(now, is_new=False)  # scores alone are no opinion
    return Heard(now, is_new=True)


def _cleaned(text: str, param: str) -> str:
    return clean_text(text, subject=param, param=param)


def _feedback_row(row: tuple[Any, ...]) -> FeedbackRow:
    return FeedbackRow(read_feedback(row), *row[8:])
