"""Which two answers a person may compare, which stands left, and whose word is taken: after a retry, and where two were
given at once.

Which one stands left is drawn by the two answers' ids, which are random: as a coin would fall, and the same after a
reload. Asking for another answer says nothing of the first one. Knows no component.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from collect.conversations import conversation_messages
from collect.preferences import Preferred, record_preference
from collect.store import Store
from nightschool.errors import NotAllowed, NotFound
from nightschool.records import Choice, Finish, Message, utc_now
from nightschool.text import is_same
from serve.chat.views import ChatView, Place
from serve.pace import Pace


@dataclass(frozen=True, slots=True)
class Compared:
    """Two answers to one question."""

    older: Message
    """Of two that were given at once: production's."""
    newer: Message

    @property
    def is_older_left(self) -> bool:
        return is_first_left(self.older.message_id, self.newer.message_id)

    @property
    def sides(self) -> tuple[Message, Message]:
        """Left and right."""
        return (self.older, self.newer) if self.is_older_left else (self.newer, self.older)


class Comparing:
    def __init__(self, store: Store, *, pace: Pace, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._pace = pace
        self._now = now

    async def look(self, view: ChatView, before: str) -> Compared | None:
        """The two answers that the view ends with; or the newest answer beside `before`, in place of which it was asked
        for. None where there is nothing to compare: another conversation, an answer that was stopped, twice the same.
        """
        if not view.bot.feedback.comparisons or not view.conversation_id or not view.lines:
            return None
        last = view.lines[-1]
        older_id, newer_id = (last.message_id, last.beside.message_id) if last.beside else (before, last.message_id)
        messages = await self._store.read(partial(conversation_messages, conversation_id=view.conversation_id))
        by_id = {message.message_id: message for message in messages}
        older, newer = by_id.get(older_id), by_id.get(newer_id)
        return Compared(older, newer) if older and newer and may_be_compared(older, newer) else None

    async def choose(self, place: Place, view: ChatView, before: str, choice: Choice) -> None:
        """Keep the word of whoever sees the conversation (`view`). Raises NotAllowed where the bot's file asks nobody,
        NotFound where there is nothing to compare, TooManyRequests."""
        if not view.bot.feedback.comparisons:
            raise NotAllowed("takes no comparisons", subject=view.bot.title, remedy="feedback.comparisons is off.")
        found = await self.look(view, before)
        if found is None:
            raise NotFound("are not here", subject="answers", remedy="Reload the page.")
        self._pace.spend(place.owner)
        preferred = Preferred(
            view.conversation_id, view.bot.bot_name, found.older.message_id, found.newer.message_id,
            found.is_older_left, place.owner, choice, self._now(),
        )  # fmt: skip
        await self._store.write(partial(record_preference, preferred=preferred))


def is_first_left(first_id: str, second_id: str) -> bool:
    """Of two answers that are shown beside each other."""
    drawn = hashlib.sha256(f"{first_id} {second_id}".encode()).digest()
    return drawn[0] % 2 == 0


def may_be_compared(older: Message, newer: Message) -> bool:
    """Whether they are two whole answers to one question, which say different things."""
    if older.message_id == newer.message_id or older.parent_id != newer.parent_id:
        return False
    if not all(one.role == "assistant" and one.finish is Finish.STOP and one.content.strip() for one in (older, newer)):
        return False
    return not is_same(older.content, newer.content)
