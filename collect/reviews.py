"""An operator's word on an answer: approved for training, or corrected. The newest word counts."""

from dataclasses import asdict
from datetime import UTC
from typing import Final

from collect.conversations import message
from collect.store import Cursor
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Review

UPSERT: Final = """
insert into reviews (message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at)
values ($message_id, $bot, $reviewer, $approved, $corrected_answer, $tags, $reviewed_at)
on conflict (message_id) do update set reviewer = excluded.reviewer, approved = excluded.approved,
    corrected_answer = excluded.corrected_answer, tags = excluded.tags, reviewed_at = excluded.reviewed_at
"""
ONE: Final = """
select message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at
from reviews where message_id = $message_id
"""


def record_review(cursor: Cursor, *, review: Review) -> Review:
    """Keep the word. Raises NotFound, and InvalidInput for what is no answer."""
    if message(cursor, message_id=review.message_id, bot=review.bot).role != "assistant":
        raise InvalidInput("is not an answer", subject=repr(review.message_id), remedy="Review answers only.")
    cursor.execute(UPSERT, asdict(review) | {"tags": list(review.tags)})
    return review


def review_of(cursor: Cursor, *, message_id: str) -> Review | None:
    row = cursor.execute(ONE, {"message_id": message_id}).fetchone()
    if row is None:
        return None
    return Review(row[0], BotName(row[1]), row[2], row[3], row[4], tuple(row[5]), row[6].astimezone(UTC))
