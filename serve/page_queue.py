"""What a gate must know of a Gradio page's queue: who waits in it, and which events and sessions there are.

Gradio answers an event or session that it does not know with a fault of its own and a page of traceback. The only
module that reads Gradio's queue from inside; its version is pinned.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import gradio as gr
from gradio.utils import cancel_tasks
from starlette.types import Scope

from nightschool.errors import InvalidInput
from serve.crowd import Guest, address_of

VISITOR: Final = "nightschool.visitor"
"""Where in a request's scope the gate puts who it found."""


LOOK_S: Final = 0.04
"""How often Gradio looks whether an event waits; it comes as each millisecond, which even an idle server pays."""
PROGRESS_S: Final = 1.0
"""How often it looks whether a bar is to be moved, of which our pages have none; it comes as each hundredth second."""


class PageQueue:
    def __init__(self, blocks: gr.Blocks) -> None:
        self._blocks = blocks
        blocks._queue.sleep_when_free = LOOK_S
        blocks._queue.progress_update_sleep_when_free = PROGRESS_S

    def waiting(self) -> Iterator[Guest]:
        """The guest of each event that is queued or runs."""
        for event in self._blocks._queue.event_ids_to_events.values():
            yield guest_of(event.request.scope)

    def has_session(self, session: str) -> bool:
        return session in self._blocks._queue.pending_messages_per_session

    async def end_answers(self, session: str) -> None:
        """Returns once what came piece by piece for a session has ended, as by its Stop; a thumb or the like is left to
        come to its own end."""
        jobs = filter(None, self._blocks._queue.active_jobs)
        running = {event.fn._id for job in jobs for event in job if event.session_hash == session}
        await cancel_tasks({f"{session}_{index}" for index in running if self._blocks.fns[index].types_generator})

    def check_event(self, body: bytes) -> None:
        """Raises InvalidInput for what the page cannot have asked."""
        wrong = InvalidInput("is none of this page's", subject="event", remedy="Reload the page.")
        try:
            asked: Any = json.loads(body)
        except ValueError:
            raise wrong from None
        if not isinstance(asked, dict) or not isinstance(asked.get("session_hash"), str):
            raise wrong
        index, data = asked.get("fn_index"), asked.get("data")
        event = self._blocks.fns.get(index) if isinstance(index, int) else None
        if event is None or not isinstance(data, list) or len(data) != len(event.inputs):
            raise wrong


def guest_of(scope: Scope) -> Guest:
    return Guest(str(scope.get(VISITOR, "")), address_of(scope))
