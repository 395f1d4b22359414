"""A person asks on the page for a human: who may, what is checked of the address they leave, and what they are told.

The conversation goes out by `deploy.escalating`. Nobody is offered it whose bot names no sink under `[escalation]`, nor
before anything was said. Knows no component.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from collect.escalations import Escalation, Wish
from deploy.escalating import Escalations
from nightschool.errors import InvalidInput, NotAllowed, NotFound
from nightschool.records import new_id, utc_now
from nightschool.sinks_part import MAILBOX
from nightschool.text import clean_text
from serve.chat.views import ChatView, Place
from serve.pace import Pace

MAX_CONTACT_CHARS: Final = 254
"""The longest address that mail can be sent to (RFC 5321)."""
CONTACT: Final = "contact"


@dataclass(frozen=True, slots=True)
class Offer:
    """What the page shows of it."""

    may_ask: bool = False
    """The person is offered it."""
    is_urged: bool = False
    """The bot itself said last that the team knows better."""
    escalation: Escalation | None = None
    """The newest one of this conversation."""


class HandingOver:
    def __init__(self, escalations: Escalations, *, pace: Pace, now: Callable[[], datetime] = utc_now) -> None:
        self._escalations = escalations
        self._pace = pace
        self._now = now

    async def look(self, view: ChatView) -> Offer:
        """Of a conversation whose owner sees it."""
        if not view.conversation_id:
            return Offer()
        found = await self._escalations.of(view.conversation_id)
        is_under_way = found is not None and found.done_at is None
        may_ask = view.bot.escalation.has_sink and not is_under_way
        return Offer(may_ask, may_ask and view.lines[-1].hands_over, found)

    async def hand_over(self, place: Place, view: ChatView, contact: str) -> Escalation:
        """What stands once it is kept, of the conversation that its owner sees (`view`). Raises NotFound where that is
        none, NotAllowed, InvalidInput and TooManyRequests."""
        if not view.bot.escalation.has_sink:
            raise NotAllowed(
                "hands over no conversation", subject=view.bot.title, remedy="Its file names nobody under [escalation]."
            )
        if not view.conversation_id or place.newest is None:
            raise NotFound("is not here", subject="conversation", remedy="Ask something first.")
        self._pace.spend(place.owner)
        address = check_contact(contact)
        wish = Wish(new_id(), view.conversation_id, view.bot.bot_name, place.newest, address, self._now())
        return await self._escalations.escalate(wish)


def check_contact(contact: str) -> str:
    """The address, empty where none was left. Raises InvalidInput."""
    address = clean_text(contact, subject="address", param=CONTACT).strip()
    if address and (len(address) > MAX_CONTACT_CHARS or not re.fullmatch(MAILBOX, address)):
        raise InvalidInput(
            "is no e-mail address", subject="address", remedy="Write it as name@example.com.", param=CONTACT
        )
    return address
