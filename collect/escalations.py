"""Conversations that people handed over to the team: an outbox of what is still to be sent, and a list for operators.

One that is open is there once, however often it is asked for; once an operator has dealt with it, the person may ask
anew. The wish stands among the signals too, so that its answer waits for review. The contact is what the person left
for the team alone: it is in no snapshot and no export of ours, and is erased with the conversation. Does not know how
anything is sent (`deploy.escalating`).
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.conversations import not_recorded, path_to
from collect.events import append_event
from collect.signals.detect import Kind, Signal
from collect.signals.found import FoundSignal, keep_signals
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import BotName, Event, Message

BUTTON: Final = "Talk to a human"
"""The evidence of its signal."""
ADD: Final = """
insert into escalations (escalation_id, conversation_id, bot, message_id, contact, asked_at, taken_by, tries, problem)
values ($escalation_id, $conversation_id, $bot, $message_id, $contact, $asked_at, '', 0, '')
"""
FIELDS: Final = """
escalation_id, conversation_id, bot, message_id, contact, asked_at, taken_by, tries, problem, sent_at, done_at, done_by
""".strip()
NEWEST_OF: Final = f"""
select {FIELDS} from escalations where conversation_id = $conversation_id
order by asked_at desc, escalation_id desc limit 1
"""
ONE: Final = f"select {FIELDS} from escalations where escalation_id = $escalation_id"
UNSENT: Final = f"""
select {FIELDS} from escalations where sent_at is null and done_at is null order by asked_at, escalation_id
"""
LIST: Final = f"""
select {FIELDS} from escalations
where ($bot is null or bot = $bot) and ($with_done or done_at is null)
order by asked_at desc, escalation_id desc limit $limit
"""
NOTE: Final = """
update escalations set taken_by = $taken_by, tries = tries + 1, problem = $problem, sent_at = $sent_at
where escalation_id = $escalation_id
"""
FINISH: Final = "update escalations set done_at = $at, done_by = $actor where escalation_id = $escalation_id"


@dataclass(frozen=True, slots=True)
class Wish:
    """That somebody of the team takes over, as of the message that was the last one then."""

    escalation_id: str
    conversation_id: str
    bot: BotName
    message_id: str
    contact: str
    """Where the person wants to be answered; empty where they said nothing."""
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Escalation:
    """A wish, and what became of it."""

    wish: Wish
    taken_by: frozenset[str] = frozenset()
    """The sinks that have it."""
    tries: int = 0
    problem: str = ""
    """Why not all have it, after the last try."""
    sent_at: datetime | None = None
    """When the last of them took it."""
    done_at: datetime | None = None
    """When an operator dealt with it."""
    done_by: str | None = None


def escalate(cursor: Cursor, *, wish: Wish) -> Escalation:
    """Keep the wish, to be sent; where one of the conversation is open, that one counts. Raises NotFound where the
    conversation has no such message."""
    standing = escalation_of(cursor, conversation_id=wish.conversation_id)
    if standing and standing.done_at is None:
        return standing
    talk = path_to(cursor, message_id=wish.message_id)
    if talk[-1].conversation_id != wish.conversation_id:
        raise not_recorded(wish.message_id)
    cursor.execute(ADD, asdict(wish))
    if answer := _newest_answer(talk):
        signal = Signal(Kind.ESCALATION, BUTTON, 1.0)
        keep_signals(cursor, [FoundSignal(wish.escalation_id, answer.message_id, wish.bot, wish.asked_at, signal)])
    return Escalation(wish)


def escalation_of(cursor: Cursor, *, conversation_id: str) -> Escalation | None:
    """The newest one of a conversation."""
    row = cursor.execute(NEWEST_OF, {"conversation_id": conversation_id}).fetchone()
    return _escalation(row) if row else None


def unsent(cursor: Cursor) -> list[Escalation]:
    """What is still to be sent, the oldest first; not what an operator has dealt with meanwhile."""
    return [_escalation(row) for row in cursor.execute(UNSENT).fetchall()]


def list_escalations(
    cursor: Cursor, *, bot: BotName | None = None, with_done: bool = False, limit: int = 100
) -> list[Escalation]:
    """Newest first."""
    asked = {"bot": bot, "with_done": with_done, "limit": limit}
    return [_escalation(row) for row in cursor.execute(LIST, asked).fetchall()]


def note_try(
    cursor: Cursor, *, escalation_id: str, taken_by: frozenset[str], problem: str, sent_at: datetime | None
) -> None:
    """What came of sending it once more; `sent_at` where nothing is left to do."""
    told = {"taken_by": " ".join(sorted(taken_by)), "problem": problem, "sent_at": sent_at}
    cursor.execute(NOTE, told | {"escalation_id": escalation_id})


def finish_escalation(cursor: Cursor, *, escalation_id: str, actor: str, reason: str, at: datetime) -> Escalation:
    """Somebody has dealt with it; said twice, the first word stands. Raises NotFound."""
    row = cursor.execute(ONE, {"escalation_id": escalation_id}).fetchone()
    if row is None:
        raise NotFound(
            "is no escalation here", subject=repr(escalation_id), remedy="`nightschool escalations list` has their ids."
        )
    if row[10] is None:
        cursor.execute(FINISH, {"escalation_id": escalation_id, "at": at, "actor": actor})
        bot = BotName(row[2])
        event = Event(f"{escalation_id}:done", at, bot, actor, "dealt with an escalation", escalation_id, reason)
        append_event(cursor, event=event)
        row = cursor.execute(ONE, {"escalation_id": escalation_id}).fetchall()[0]
    return _escalation(row)


def _newest_answer(talk: list[Message]) -> Message | None:
    return next((message for message in reversed(talk) if message.role == "assistant"), None)


def _escalation(row: tuple[Any, ...]) -> Escalation:
    moments = [moment.astimezone(UTC) if moment else None for moment in row[9:11]]
    wish = Wish(row[0], row[1], BotName(row[2]), row[3], row[4], row[5].astimezone(UTC))
    return Escalation(wish, frozenset(row[6].split()), row[7], row[8], moments[0], moments[1], row[11])
