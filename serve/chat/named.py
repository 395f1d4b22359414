"""A question is taken once, however often its browser sends it: the browser names it before it is on its way.

Whoever lost the page or the network cannot know whether a question got through. Its name, which becomes its message's
id, tells what came of it, and it is sent again by the same one. Knows no component.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from uuid import UUID

from collect import conversations
from collect.store import Store
from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import Message
from serve.turn import Turn


class NamedQuestions:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._under_way: dict[tuple[str, str], asyncio.Event] = {}

    @contextmanager
    def take(self, owner: str, name: str) -> Iterator[None]:
        """For the length of its answer; to be taken before anything is awaited. Raises Busy where it is under way,
        InvalidInput for a name that is none."""
        if not name:
            yield
            return
        _check(name)
        key = (owner, name)
        if key in self._under_way:
            raise Busy("is being answered", subject="question", remedy="Wait for the answer or stop it.")
        self._under_way[key] = over = asyncio.Event()
        try:
            yield
        finally:
            del self._under_way[key]
            over.set()

    def end_of(self, owner: str, name: str) -> asyncio.Event | None:
        """Set once the question is answered or given up; None where it is not under way."""
        return self._under_way.get((owner, name))

    async def find(self, name: str) -> Message | None:
        """The question as recorded, whoever asked it."""
        try:
            return await self._store.read(partial(conversations.message, message_id=name))
        except NotFound:
            return None


def with_name(turn: Turn, name: str) -> Turn:
    *before, question = turn.asked
    return replace(turn, asked=(*before, replace(question, message_id=name))) if name else turn


def _check(name: str) -> None:
    try:
        is_sound = str(UUID(name)) == name
    except ValueError:
        is_sound = False
    if not is_sound:
        raise InvalidInput("is no name of a question", subject="question", remedy="Reload the page.")
