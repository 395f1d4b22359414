"""Verified answers in service: what was served of them, and who takes one out and puts it back.

Whoever dislikes a verified answer takes it out of service in the same transaction, so that nobody is served it again
until an operator has looked: the disliked answer stands in the review queue, and to approve it as it is puts it back.
So does taking the dislike back. One person takes one answer out once: after an operator put it back, their dislike is
one like any other's on any answer. Does not know how a question finds an answer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from collect.calls import CallPath
from collect.conversations import record_turn
from collect.events import append_event
from collect.store import Cursor
from collect.stored_completions import Listing
from collect.verified.pairs import Hit
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import BotName, Conversation, Event, Feedback, Message, Vote, new_id

KEEP: Final = """
insert into verified_served (message_id, bot, from_id, score) values ($message_id, $bot, $from_id, $score)
on conflict do nothing
"""
SOURCE: Final = "select from_id from verified_served where message_id = $message_id"
SWITCH: Final = """
insert into verified_switches (message_id, bot, is_on, switched_by, reason, switched_at, position)
values ($message_id, $bot, $is_on, $by, $reason, $at, nextval('verified_switch_positions'))
"""
SWITCHES: Final = """
select switched_by, is_on, switched_at from verified_switches where message_id = $message_id order by position
"""
STANDS: Final = """
select r.approved and r.corrected_answer = $answer, r.reviewed_at from reviews as r where r.message_id = $message_id
union all
select m.content = $answer, m.created_at from messages as m semi join faq using (conversation_id)
    anti join reviews using (message_id) where m.message_id = $message_id
"""
OFF: Final = "taken out of service"
ON: Final = "put back into service"
DISLIKED: Final = "somebody dislikes it"
RETRACTED: Final = "the dislike was taken back"
APPROVED: Final = "approved where it was served"
BY_VOTE: Final = "vote"
"""Who stands in the audit for a person who voted."""


def record_verified_turn(
    cursor: Cursor,
    *,
    conversation: Conversation,
    messages: Sequence[Message],
    hit: Hit,
    paths: Sequence[CallPath] = (),
    listing: Listing | None = None,
) -> None:
    """Keep a turn whose answer, the last message, is a copy of `hit`."""
    record_turn(cursor, conversation=conversation, messages=messages, paths=paths, listing=listing)
    answer = messages[-1]
    kept = {"message_id": answer.message_id, "bot": answer.bot, "from_id": hit.pair.message_id, "score": hit.score}
    cursor.execute(KEEP, kept)


def stands(cursor: Cursor, *, message_id: str, answer: str) -> bool:
    """Whether the answer is verified now, letter for letter, and in service."""
    row = cursor.execute(STANDS, {"message_id": message_id, "answer": answer}).fetchone()
    return row is not None and bool(row[0]) and not _is_off(cursor, message_id, since=row[1])


def switch(
    cursor: Cursor, *, bot: BotName, message_id: str, is_on: bool, actor: str, reason: str, at: datetime
) -> None:
    """An operator's switch. Raises InvalidInput without a reason, NotFound where nothing is verified under that id."""
    if not reason.strip():
        raise InvalidInput("is missing", subject="the reason", remedy="Say why.", param="reason")
    found = cursor.execute(
        "select 1 from reviews where message_id = $id and bot = $bot and approved union all "
        "select 1 from messages semi join faq using (conversation_id) where message_id = $id and bot = $bot",
        {"id": message_id, "bot": bot},
    ).fetchone()
    if found is None:
        raise NotFound("is no verified answer", subject=repr(message_id), remedy="`nightschool knowledge verified`.")
    _switch(cursor, bot=bot, message_id=message_id, is_on=is_on, by=actor, reason=reason.strip(), at=at)


def heed_vote(cursor: Cursor, *, feedback: Feedback) -> None:
    """What a vote on a served answer does to the verified answer that it is a copy of."""
    from_id = source_of(cursor, message_id=feedback.message_id)
    if from_id is None:
        return
    bot, voter, vote, at = feedback.bot, feedback.voter, feedback.vote, feedback.voted_at
    switches = cursor.execute(SWITCHES, {"message_id": from_id}).fetchall()
    own = sum(1 if is_on else -1 for by, is_on, _ in switches if by == voter)
    is_off = bool(switches) and not switches[-1][1]
    if vote is Vote.DOWN and own == 0 and not is_off:
        _switch(cursor, bot=bot, message_id=from_id, is_on=False, by=voter, reason=DISLIKED, at=at)
    elif vote is not Vote.DOWN and switches and switches[-1][:2] == (voter, False):
        _switch(cursor, bot=bot, message_id=from_id, is_on=True, by=voter, reason=RETRACTED, at=at)


def heed_approval(cursor: Cursor, *, about: Message, reviewer: str, at: datetime) -> None:
    """An operator approved a served answer as it is: the verified answer that it was comes back into service."""
    from_id = source_of(cursor, message_id=about.message_id)
    if from_id is None:
        return
    switches = cursor.execute(SWITCHES, {"message_id": from_id}).fetchall()
    if switches and not switches[-1][1]:
        _switch(cursor, bot=about.bot, message_id=from_id, is_on=True, by=reviewer, reason=APPROVED, at=at)


def source_of(cursor: Cursor, *, message_id: str) -> str | None:
    """The answer that was let in, of which this one is a copy; None where it is none."""
    row = cursor.execute(SOURCE, {"message_id": message_id}).fetchone()
    return None if row is None else str(row[0])


def _is_off(cursor: Cursor, message_id: str, *, since: datetime) -> bool:
    switches = cursor.execute(SWITCHES, {"message_id": message_id}).fetchall()
    return bool(switches) and not switches[-1][1] and switches[-1][2] >= since


def _switch(cursor: Cursor, *, bot: BotName, message_id: str, is_on: bool, by: str, reason: str, at: datetime) -> None:
    given = {"message_id": message_id, "bot": bot, "is_on": is_on, "by": by, "reason": reason, "at": at}
    cursor.execute(SWITCH, given)
    actor = BY_VOTE if reason in {DISLIKED, RETRACTED} else by
    append_event(cursor, event=Event(new_id(), at, bot, actor, ON if is_on else OFF, message_id, reason))
