"""What people do with an answer and say nothing of it: they copy it, ask for another one, leave before it was whole.

A deed is kept with the answer, once for each kind. It says little (who copies may be about to complain), so it is no
vote, weighs little or nothing in the review queue, and stands in no snapshot. Does not know how it was noticed.
"""

from datetime import datetime

from collect.conversations import conversation, conversation_messages, message, not_recorded
from collect.signals.detect import Kind, Signal
from collect.signals.found import FoundSignal, keep_signals
from collect.store import Cursor
from nightschool.records import Finish


def keep_deed(cursor: Cursor, *, kind: Kind, message_id: str, owner: str, at: datetime) -> None:
    """Of the answer `message_id`; what failed is none. Raises NotFound for what is no answer in the owner's chats."""
    answer = message(cursor, message_id=message_id)
    if answer.role != "assistant" or conversation(cursor, answer.conversation_id).owner != owner:
        raise not_recorded(message_id)
    if answer.finish is not Finish.ERROR:
        keep_signals(cursor, [FoundSignal(message_id, message_id, answer.bot, at, Signal(kind, "", 1.0))])


def keep_leaving(cursor: Cursor, *, conversation_id: str, owner: str, at: datetime) -> None:
    """That the owner left the conversation while an answer came, which ended it; whoever saw the whole of it left
    nothing. Raises NotFound for another's conversation."""
    if conversation(cursor, conversation_id).owner != owner:
        raise not_recorded(conversation_id)
    newest = conversation_messages(cursor, conversation_id=conversation_id)[-1]
    if newest.role == "assistant" and newest.finish is Finish.PARTIAL:
        keep_deed(cursor, kind=Kind.ABANDON, message_id=newest.message_id, owner=owner, at=at)
