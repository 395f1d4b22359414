"""A person says on the page whether a conversation solved it: when they are asked, and whose word is taken.

They are asked once it has been quiet for a while, which the browser knows, or at once where they say thanks. What they
say is no vote (`collect.outcomes`). Knows no component.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from collect.outcomes import Said, outcome_of, record_outcome
from collect.signals.phrases import Phrases, read_phrases
from collect.store import Store
from nightschool.errors import NotAllowed, NotFound
from nightschool.records import Finish, utc_now
from serve.chat.views import ChatView, Line, Place
from serve.pace import Pace

MOST_WORDS: Final = 8
"""Longer thanks hold something else too."""
ASKS: Final = "?？؟"  # noqa: RUF001
WHOLE: Final = frozenset({Finish.STOP, Finish.LENGTH})


@dataclass(frozen=True, slots=True)
class Asked:
    """What the page shows of it."""

    is_asked: bool = False
    is_at_once: bool = False
    """Without waiting for the talk to be quiet."""
    is_resolved: bool | None = None
    """What the person said on the newest answer."""


class Outcomes:
    def __init__(self, store: Store, *, pace: Pace, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._pace = pace
        self._now = now
        self._phrases: Phrases | None = None

    async def look(self, view: ChatView) -> Asked:
        """Of a conversation whose owner sees it."""
        if not _is_askable(view):
            return Asked()
        found = await self._store.read(partial(outcome_of, conversation_id=view.conversation_id, bot=view.bot.bot_name))
        if found and found.message_id == view.lines[-1].message_id:
            return Asked(is_asked=True, is_at_once=True, is_resolved=found.is_resolved)
        return Asked(is_asked=True, is_at_once=await self._says_thanks(view.lines[-2]))

    async def say(self, place: Place, view: ChatView, *, is_resolved: bool) -> None:
        """Keep the word of whoever sees the conversation (`view`). Raises NotAllowed where the bot's file has people
        not asked, NotFound where there is nothing to speak of, TooManyRequests."""
        if not view.bot.feedback.outcomes:
            raise NotAllowed(
                "asks nobody whether it was solved", subject=view.bot.title, remedy="feedback.outcomes is off."
            )
        if not _is_askable(view):
            raise NotFound("is not here", subject="conversation", remedy="Reload the page.")
        self._pace.spend(place.owner)
        newest = view.lines[-1].message_id
        said = Said(view.conversation_id, newest, view.bot.bot_name, is_resolved, self._now())
        await self._store.write(partial(record_outcome, said=said))

    async def _says_thanks(self, line: Line) -> bool:
        if len(line.text.split()) > MOST_WORDS or any(mark in line.text for mark in ASKS):
            return False
        if self._phrases is None:
            self._phrases = await asyncio.to_thread(read_phrases)
        return next(self._phrases.thanks.find(self._phrases.hear(line.text)), None) is not None


def _is_askable(view: ChatView) -> bool:
    """Whether an answer stands at its end that may have solved something."""
    return bool(
        view.bot.feedback.outcomes
        and view.conversation_id
        and len(view.lines) > 1
        and view.lines[-1].role == "assistant"
        and view.lines[-1].finish in WHOLE
    )
