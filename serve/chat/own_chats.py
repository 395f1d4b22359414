"""What people do with their own chats: name them, pin them, and keep them out of training. Knows no component."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from collect.chat_settings import ChatSettings, chat_settings, keep_chat_settings
from collect.store import Store
from nightschool.records import BotName, utc_now
from serve.chat.views import Place
from serve.masking import Masking
from serve.turns import Turns

MAX_TITLE_CHARS: Final = 120


class OwnChats:
    """Each raises NotFound where the conversation is not the owner's."""

    def __init__(self, turns: Turns, store: Store, masking: Masking, *, now: Callable[[], datetime] = utc_now) -> None:
        self._turns = turns
        self._store = store
        self._masking = masking
        self._now = now

    async def rename(self, place: Place, title: str) -> ChatSettings:
        """An empty title is the one that the first question gave."""
        title = " ".join(title.split())[:MAX_TITLE_CHARS].strip()
        settings = await self.settings(place)
        title = await self._masking.text(title, bot=BotName(place.bot), conversation_id=place.conversation_id)
        return await self._keep(place, replace(settings, title=title))

    async def pin(self, place: Place, *, is_pinned: bool) -> ChatSettings:
        return await self._keep(place, replace(await self.settings(place), is_pinned=is_pinned))

    async def close_to_learning(self, place: Place, *, is_private: bool) -> ChatSettings:
        """Whether the next nights leave the chat out. What learnt from it before does not forget it."""
        return await self._keep(place, replace(await self.settings(place), is_private=is_private))

    async def settings(self, place: Place) -> ChatSettings:
        await self._turns.owned_conversation(place.conversation_id, bot=BotName(place.bot), owner=place.owner)
        return await self._store.read(partial(chat_settings, conversation_id=place.conversation_id))

    async def _keep(self, place: Place, settings: ChatSettings) -> ChatSettings:
        name, at = place.conversation_id, self._now()
        await self._store.write(partial(keep_chat_settings, conversation_id=name, settings=settings, at=at))
        return settings
