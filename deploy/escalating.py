"""Hand conversations over to the team: the wish is kept first, then sent to whom the bot's file names.

A wish that is kept is sent at least once, whatever dies in between: what is unsent is looked for at the start and at
intervals, and its id tells one that came twice. What is sent is the conversation as it stood then, word for word, with
the contact that the person left; one that was erased before is not sent. Does not know who may ask (`serve.chat`).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, Final

from collect.conversations import path_to
from collect.escalations import Escalation, Wish, escalate, escalation_of, note_try, unsent
from collect.store import Store
from deploy.sinks import Parcel, Sink, send, sinks_of
from nightschool.bots import BotShelf
from nightschool.errors import NightschoolError, NotFound, UnknownModel
from nightschool.records import Message, utc_now

log = logging.getLogger(__name__)

WAIT_S: Final = 4.0
"""How long whoever asks waits to hear whether it was taken."""
FIRST_PAUSE_S: Final = 30.0
"""Before what was not taken is sent again; twice that the next time."""
LONGEST_PAUSE_S: Final = 3600.0
MOST_AT_ONCE: Final = 8
LOOK_S: Final = 60.0
"""What a former server or a record out of reach left unsent is found within this time."""


class Escalations:
    """Made once; `keep_going` runs as long as the server does."""

    def __init__(
        self,
        store: Store,
        shelf: BotShelf,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._first_pause_s = first_pause_s
        self._now = now
        # Of each escalation on its way, that it was tried.
        self._tried: dict[str, asyncio.Event] = {}
        self._has_more = asyncio.Event()
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)

    async def escalate(self, wish: Wish, *, wait_s: float = WAIT_S) -> Escalation:
        """Kept for good, and sent where the sinks answer soon; what stands then. Raises NotFound."""
        kept = await self._store.write(partial(escalate, wish=wish))
        if kept.sent_at is None:
            tried = self._tried.setdefault(kept.wish.escalation_id, asyncio.Event())
            self._has_more.set()
            try:
                async with asyncio.timeout(wait_s):
                    await tried.wait()
            except TimeoutError:
                log.info("escalation=%s is kept and on its way", kept.wish.escalation_id)
        return await self.of(kept.wish.conversation_id) or kept

    async def of(self, conversation_id: str) -> Escalation | None:
        """The newest one of a conversation."""
        return await self._store.read(partial(escalation_of, conversation_id=conversation_id))

    async def keep_going(self) -> None:
        """Until cancelled: send what is unsent, at once and then ever more seldom until it is taken."""
        under_way: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._has_more.clear()
                for name in await self._unsent():
                    if name not in under_way:
                        under_way.add(name)
                        group.create_task(self._send_until_taken(name, under_way))
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._has_more.wait()

    async def _unsent(self) -> list[str]:
        try:
            return [escalation.wish.escalation_id for escalation in await self._store.read(unsent)]
        except NightschoolError as error:
            log.error("escalations cannot be read, and are looked for again: %s", error)
            return []

    async def _send_until_taken(self, name: str, under_way: set[str]) -> None:
        tried, pause_s = self._tried.setdefault(name, asyncio.Event()), self._first_pause_s
        try:
            while not await self._is_over(name):
                tried.set()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            tried.set()
            del self._tried[name]
            under_way.discard(name)

    async def _is_over(self, name: str) -> bool:
        """Try once more; whether nothing is left to do."""
        try:
            escalation = next((one for one in await self._store.read(unsent) if one.wish.escalation_id == name), None)
            if escalation is None:
                return True
            async with self._slots:
                return await self._send(escalation)
        except Exception as error:
            # One that cannot be sent must not keep the others from it.
            log.error("escalation=%s was not sent: %s", name, error)
            return False

    async def _send(self, escalation: Escalation) -> bool:
        wish = escalation.wish
        try:
            part = self._shelf.find(wish.bot).escalation
            talk = await self._store.read(partial(path_to, message_id=wish.message_id))
        except UnknownModel:
            return await self._note(escalation, frozenset(), "The bot's file is gone")
        except NotFound:
            # Erased a moment ago, and its row with it.
            return True
        wanted, had = sinks_of(part), frozenset(map(Sink, escalation.taken_by))
        if not wanted | had:
            return await self._note(escalation, frozenset(), "The bot's file names nobody under [escalation]")
        missed = await send(part, parcel_of(wish, talk, title=self._shelf.find(wish.bot).title), without=had)
        for sink, why in missed:
            log.warning("bot=%s escalation=%s the %s %s", wish.bot, wish.escalation_id, sink, why)
        taken = (wanted | had) - {one.sink for one in missed}
        return await self._note(escalation, taken, "; ".join(f"The {sink} {why}" for sink, why in missed))

    async def _note(self, escalation: Escalation, taken: frozenset[Sink], problem: str) -> bool:
        name, sent_at = escalation.wish.escalation_id, None if problem else self._now()
        noted = partial(note_try, escalation_id=name, taken_by=frozenset(taken), problem=problem, sent_at=sent_at)
        await self._store.write(noted)
        return not problem


def parcel_of(wish: Wish, talk: Sequence[Message], *, title: str) -> Parcel:
    """By the wish's id."""
    who = {"user": "Visitor", "assistant": title, "system": "System"}
    said = "\n\n".join(f"{who[one.role]} ({one.created_at:%Y-%m-%d %H:%M} UTC):\n{one.content}" for one in talk)
    reach = f"They can be reached at {wish.contact}." if wish.contact else "They left no address."
    head = f"Somebody who talked to {title} asks for a person. {reach}"
    return Parcel(
        parcel_id=wish.escalation_id,
        at=wish.asked_at,
        content=_as_json(wish, talk),
        file_name=f"{wish.bot}-escalation-{wish.escalation_id}.eml",
        subject=f"{wish.bot}: somebody asks for a person",
        text=f"{head}\n\nEscalation {wish.escalation_id}, conversation {wish.conversation_id}.\n\n{said}\n",
        reply_to=wish.contact if wish.contact.isascii() else "",
    )


def _as_json(wish: Wish, talk: Sequence[Message]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "kind": "escalation",
        "escalation": wish.escalation_id,
        "bot": wish.bot,
        "conversation": wish.conversation_id,
        "asked_at": wish.asked_at.isoformat(),
        "contact": wish.contact or None,
        "messages": [
            {
                "id": message.message_id,
                "role": message.role,
                "content": message.content,
                "at": message.created_at.isoformat(),
                "version": message.version,
            }
            for message in talk
        ],
    }
