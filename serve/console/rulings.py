"""What an operator has before them when they rule on an answer, and the ruling itself.

Two lists lead here: what people said of answers, and the suggestions that wait. What is stored is the text that was
shown; where the record says something else by then, nothing is. Knows no component.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from collect import feedback, reviews, waiting
from collect.feedback import FeedbackRow
from collect.store import Cursor
from collect.waiting import Waiting
from nightschool.errors import Busy, NotFound
from nightschool.records import BotName, Review, Vote

LIST_LIMIT: Final = 100
WAITING: Final = "waiting"
"""The list of suggestions that nobody ruled on; the other lists are a vote's name, or empty for every vote."""
REMEDY: Final = "Open it again from the list."


@dataclass(frozen=True, slots=True)
class Listed:
    """Which list is looked at."""

    bot: BotName | None
    show: str


class Shown(BaseModel):
    """The texts that are shown, and where they come from; kept by the page until an operator rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    message_id: str
    bot: BotName
    voter: str
    """Whose opinion it is; empty for a suggestion on the waiting list, behind which many may stand."""
    answer: str
    proposal: str
    """What it should have been, by whom was asked; empty where nobody said."""
    is_approved: bool | None
    ruled_text: str | None
    """The ruling that stands."""


Row = FeedbackRow | Waiting


class Key(NamedTuple):
    """Finds a row again."""

    message_id: str
    voter: str
    proposal: str
    """Empty where there is a voter, whose words may change."""


def list_rows(cursor: Cursor, *, listed: Listed) -> Sequence[Row]:
    """Opinions newest first; suggestions by how many agree on them, then oldest first."""
    if listed.show == WAITING:
        return waiting.list_waiting(cursor, bot=listed.bot, limit=LIST_LIMIT)
    vote = Vote(listed.show) if listed.show else None
    return feedback.list_feedback(cursor, bot=listed.bot, vote=vote, limit=LIST_LIMIT)


def find_row(cursor: Cursor, *, key: Key) -> Row:
    """The opinion or the suggestion as it stands now. Raises NotFound where it was taken back or ruled on."""
    if key.voter:
        return feedback.find_opinion(cursor, message_id=key.message_id, voter=key.voter)
    for row in waiting.list_waiting(cursor, limit=2**31):
        if _key(shown_of(row)) == key:
            return row
    raise NotFound("waits no more", subject="the suggestion", remedy=REMEDY)


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
        case Waiting():
            return Shown(
                message_id=row.message_id,
                bot=row.bot,
                voter="",
                answer=row.answer,
                proposal=row.proposal,
                is_approved=None,
                ruled_text=None,
            )


def record_ruling(cursor: Cursor, *, shown: Shown, review: Review) -> Review:
    """Keep the word on what was shown. Raises Busy where that changed meanwhile, and what `record_review` raises."""
    try:
        stands = shown_of(find_row(cursor, key=_key(shown)))
    except NotFound:
        stands = None
    if stands != shown:
        raise Busy("changed while you read it, so nothing was stored", subject="what you ruled on", remedy=REMEDY)
    return reviews.record_review(cursor, review=review)


def _key(shown: Shown) -> Key:
    return Key(shown.message_id, shown.voter, "" if shown.voter else shown.proposal)
