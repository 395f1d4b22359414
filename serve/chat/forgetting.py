"""A person deletes a chat, or all of theirs, on the page: for good, by the same way as an operator who erases it.

Its rows are gone at once, the files made of them within the hour (`deploy.erasing`). Knows no component.
"""

from typing import Final

from deploy.erasing import Eraser
from nightschool.records import BotName
from serve.chat.views import Place
from serve.turns import Turns

ACTOR: Final = "whose it was"
"""In the audit, which is to name nobody who is forgotten."""


class Forgetting:
    def __init__(self, turns: Turns, eraser: Eraser) -> None:
        self._turns = turns
        self._eraser = eraser

    async def forget(self, place: Place) -> None:
        """Raises NotFound where the conversation is not the owner's."""
        name = place.conversation_id
        await self._turns.owned_conversation(name, bot=BotName(place.bot), owner=place.owner)
        await self._eraser.erase("conversation", name, actor=ACTOR, reason="deleted on the chat page", at_once=False)

    async def forget_all(self, place: Place) -> None:
        """All that this browser said and voted, to every bot. Raises NotFound where there is nothing."""
        await self._eraser.erase("user", place.owner, actor=ACTOR, reason="deleted on the chat page", at_once=False)
