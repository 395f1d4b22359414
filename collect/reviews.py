"""An operator's word on an answer: approved, corrected or turned down. The newest one counts, the others are kept.

What an approval lets in is the exact text that was approved, stored with it; an answer that was cut off, or is empty,
can be corrected but not approved as it is. Each ruling stands in the audit, written in the same transaction.
"""

from dataclasses import asdict, replace
from datetime import UTC
from typing import Any, Final

from collect.conversations import message
from collect.events import append_event
from collect.store import Cursor
from collect.verified.served import heed_approval
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Event, Finish, Message, Review, Source, new_id
from nightschool.text import clean_text, is_same

UPSERT: Final = """
insert into reviews (message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at)
values ($message_id, $bot, $reviewer, $approved, $corrected_answer, $tags, $reviewed_at)
on conflict (message_id) do update set reviewer = excluded.reviewer, approved = excluded.approved,
    corrected_answer = excluded.corrected_answer, tags = excluded.tags, reviewed_at = excluded.reviewed_at
"""
REMEMBER: Final = """
insert into review_history (message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at)
select message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at
from reviews where message_id = $message_id
"""
ONE: Final = """
select message_id, bot, reviewer, approved, corrected_answer, tags, reviewed_at
from reviews where message_id = $message_id
"""
WHOLE: Final = frozenset({None, Finish.STOP})
"""How an answer ends that can be approved as it is; any other was cut off."""


def record_review(cursor: Cursor, *, review: Review) -> Review:
    """Keep the word, and in the audit whose it is; what stands afterwards. The same word again changes nothing.

    Raises NotFound, and InvalidInput for what is no answer, or no whole one and approved without a better text.
    """
    about = message(cursor, message_id=review.message_id, bot=review.bot)
    if about.role != "assistant":
        raise InvalidInput("is not an answer", subject=repr(review.message_id), remedy="Review answers only.")
    ruled = replace(review, corrected_answer=_ruled_text(review, about))
    before = review_of(cursor, message_id=review.message_id)
    if before is not None:
        if replace(ruled, reviewed_at=before.reviewed_at) == before:
            return before
        # The order in which they come is the order that counts, also where the clock was set back in between.
        ruled = replace(ruled, reviewed_at=max(ruled.reviewed_at, before.reviewed_at))
        cursor.execute(REMEMBER, {"message_id": review.message_id})
    cursor.execute(UPSERT, asdict(ruled) | {"tags": list(ruled.tags)})
    event = Event(new_id(), ruled.reviewed_at, ruled.bot, ruled.reviewer, _action(ruled, about), ruled.message_id, "")
    append_event(cursor, event=event)
    if about.source is Source.VERIFIED and ruled.approved and is_same(ruled.corrected_answer, about.content):
        heed_approval(cursor, about=about, reviewer=ruled.reviewer, at=ruled.reviewed_at)
    return ruled


def review_of(cursor: Cursor, *, message_id: str) -> Review | None:
    row = cursor.execute(ONE, {"message_id": message_id}).fetchone()
    return None if row is None else _review(row)


def _ruled_text(review: Review, about: Message) -> str:
    """The text that is let in; empty where none is."""
    given = clean_text(review.corrected_answer, subject="corrected_answer", param="corrected_answer").strip()
    if given and not is_same(given, about.content):
        return given
    if not review.approved:
        return ""
    if not about.content.strip():
        raise _refusal("is empty", review)
    if about.finish not in WHOLE:
        raise _refusal("was cut off before its end", review)
    return given or about.content


def _refusal(problem: str, review: Review) -> InvalidInput:
    remedy = "Write the whole answer and save that as its correction."
    return InvalidInput(problem, subject=f"answer {review.message_id}", remedy=remedy, param="corrected_answer")


def _action(ruled: Review, about: Message) -> str:
    if not ruled.corrected_answer:
        return "turned an answer down"
    return "approved an answer" if is_same(ruled.corrected_answer, about.content) else "corrected an answer"


def _review(row: tuple[Any, ...]) -> Review:
    return Review(row[0], BotName(row[1]), row[2], row[3], row[4], tuple(row[5]), row[6].astimezone(UTC))
