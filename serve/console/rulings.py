"""What an operator has before them when they rule on an answer, and the ruling itself.

Four lists lead here: the review queue, what people said of answers, the suggestions that wait, and the questions that
nothing answers. What is stored is the text that was shown; where the record says something else by then, nothing is.
Knows no component.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from collect import feedback, gaps, review_queue, reviews, waiting
from collect.conversations import message
from collect.feedback import FeedbackRow
from collect.gaps import Gap
from collect.review_queue import Queued
from collect.signals.detect import Kind
from collect.store import Cursor
from collect.waiting import Waiting
from nightschool.errors import Busy, NotFound
from nightschool.records import BotName, Review, Vote

LIST_LIMIT: Final = 100
NO_LIMIT: Final = 2**31
QUEUE: Final = "queue"
"""The list of answers that want a look, what is most telling first."""
WAITING: Final = "waiting"
"""The list of suggestions that nobody ruled on."""
GAPS: Final = "gaps"
"""The list of questions that nothing answers; the other lists are a vote's name, or empty for every vote."""
REMEDY: Final = "Open it again from the list."


@dataclass(frozen=True, slots=True)
class Listed:
    """Which list is looked at."""

    bot: BotName | None
    show: str
    signal: Kind | None = None
    """Of the review queue, only what has this signal."""


class Shown(BaseModel):
    """The texts that are shown, and where they come from; kept by the page until an operator rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    show: str = ""
    """The list that it came from."""
    message_id: str
    bot: BotName
    voter: str
    """Whose opinion it is; empty for the other lists, where many may stand behind a line."""
    answer: str
    proposal: str
    """What it should have been, by whom was asked; empty where nobody said."""
    is_approved: bool | None
    ruled_text: str | None
    """The ruling that stands."""


Row = FeedbackRow | Waiting | Queued | Gap


class Key(NamedTuple):
    """Finds a row again."""

    show: str
    message_id: str
    voter: str
    proposal: str
    """Set for a suggestion that waits, since one answer may have many."""


def list_rows(cursor: Cursor, *, listed: Listed, now: datetime) -> Sequence[Row]:
    """Each list in its own order."""
    if listed.show == QUEUE:
        return review_queue.list_queue(cursor, bot=listed.bot, kind=listed.signal, now=now, limit=LIST_LIMIT)
    if listed.show == WAITING:
        return waiting.list_waiting(cursor, bot=listed.bot, limit=LIST_LIMIT)
    if listed.show == GAPS:
        return gaps.list_gaps(cursor, bot=listed.bot, limit=LIST_LIMIT)
    vote = Vote(listed.show) if listed.show else None
    return feedback.list_feedback(cursor, bot=listed.bot, vote=vote, limit=LIST_LIMIT)


def find_row(cursor: Cursor, *, key: Key, now: datetime) -> Row:
    """The line as it stands now. Raises NotFound where it was taken back, ruled on, or answered."""
    if key.show == QUEUE:
        return review_queue.find_queued(cursor, message_id=key.message_id, now=now)
    if key.voter:
        return feedback.find_opinion(cursor, message_id=key.message_id, voter=key.voter)
    rows: Sequence[Row] = (
        gaps.list_gaps(cursor, limit=NO_LIMIT) if key.show == GAPS else waiting.list_waiting(cursor, limit=NO_LIMIT)
    )
    for row in rows:
        if _key(shown_of(row)) == key:
            return row
    raise NotFound("waits no more", subject="this line", remedy=REMEDY)


def row_key(row: Row) -> str:
    """What a list calls its line by."""
    return json.dumps(_key(shown_of(row)))


def read_key(key: str) -> Key:
    """What `row_key` gave."""
    return Key(*json.loads(key))


def shown_of(row: Row) -> Shown:
    match row:
        case FeedbackRow(said):
            return Shown(
                message_id=said.message_id,
                bot=said.bot,
                voter=said.voter,
                answer=row.answer,
                proposal=said.ideal_answer,
                is_approved=row.is_approved,
                ruled_text=row.ruled_text,
            )
        case Waiting() | Queued():
            return Shown(
                show=WAITING if isinstance(row, Waiting) else QUEUE,
                message_id=row.message_id,
                bot=row.bot,
                voter="",
                answer=row.answer,
                proposal=row.proposal,
                is_approved=None,
                ruled_text=None,
            )
        case Gap():
            return Shown(
                show=GAPS,
                message_id=row.message_id,
                bot=row.bot,
                voter="",
                answer=row.answer,
                proposal="",
                is_approved=row.is_approved,
                ruled_text=row.ruled_text,
            )


def record_ruling(cursor: Cursor, *, shown: Shown, review: Review) -> Review:
    """Keep the word on what was shown. Raises Busy where that changed meanwhile, and what `record_review` raises."""
    try:
        stands = _as_it_stands(cursor, shown, now=review.reviewed_at)
    except NotFound:
        stands = None
    if stands != shown:
        raise Busy("changed while you read it, so nothing was stored", subject="what you ruled on", remedy=REMEDY)
    return reviews.record_review(cursor, review=review)


def _as_it_stands(cursor: Cursor, shown: Shown, *, now: datetime) -> Shown:
    if shown.show != GAPS:
        return shown_of(find_row(cursor, key=_key(shown), now=now))
    # Whether it still is a gap is no matter: a ruling is on the answer, and to compare all would hold the writer up.
    about = message(cursor, message_id=shown.message_id, bot=shown.bot)
    ruled = reviews.review_of(cursor, message_id=shown.message_id)
    standing = {"is_approved": ruled.approved, "ruled_text": ruled.corrected_answer} if ruled else {}
    return shown.model_copy(update={"answer": about.content, "is_approved": None, "ruled_text": None} | standing)


def _key(shown: Shown) -> Key:
    return Key(shown.show, shown.message_id, shown.voter, shown.proposal if shown.show == WAITING else "")
