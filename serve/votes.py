"""The one way to take a vote, for the chat page and the API alike: acknowledged only after it is durable.

Knows whose answer it is: a browser votes on answers in its own conversations, an API key on answers it asked for, an
operator on any. Does not know HTTP or Gradio.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final

from collect import conversations, feedback
from collect.store import Store
from nightschool.errors import InvalidInput, NotFound
from nightschool.records import Feedback, Message, Vote, utc_now
from serve.metrics import Metrics

MAX_TEXT_CHARS: Final = 20_000
MAX_REASONS: Final = 10


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a person says of an answer; None keeps what was said before."""

    vote: Vote | None = None
    reasons: Sequence[str] | None = None
    comment: str | None = None
    ideal_answer: str | None = None


class Votes:
    """Takes and shows votes."""

    def __init__(self, store: Store, *, metrics: Metrics, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._metrics = metrics
        self._now = now

    async def cast(self, message_id: str, opinion: Opinion, *, owner: str, is_operator: bool = False) -> Feedback:
        """The stored row, once it is durable. Raises NotFound (also for somebody else's answer), InvalidInput."""
        _check(opinion)
        message = await self._owned(message_id, owner=owner, is_operator=is_operator)
        before = await self._store.read(partial(feedback.feedback_of, message_id=message_id, voter=owner))
        nothing = Feedback(message_id, message.bot, owner, Vote.NONE, (), "", "", self._now())
        said = {name: value for name, value in _fields(opinion).items() if value is not None}
        merged = replace(before or nothing, **said, voted_at=self._now())
        stored = await self._store.write(partial(feedback.record_vote, feedback=merged))
        self._metrics.voted(stored)
        return stored

    async def read(self, message_id: str, *, owner: str, is_operator: bool = False) -> Feedback:
        """The owner's own opinion. Raises NotFound where there is none or the answer is somebody else's."""
        await self._owned(message_id, owner=owner, is_operator=is_operator)
        found = await self._store.read(partial(feedback.feedback_of, message_id=message_id, voter=owner))
        if found is None:
            raise NotFound("has no feedback", subject=message_id, remedy="POST /v1/feedback gives some.")
        return found

    async def in_conversation(self, conversation_id: str, *, owner: str) -> dict[str, Feedback]:
        """The owner's opinions by message id."""
        return await self._store.read(partial(feedback.feedback_in, conversation_id=conversation_id, voter=owner))

    async def _owned(self, message_id: str, *, owner: str, is_operator: bool) -> Message:
        missing = NotFound(
            "is not an answer you asked for",
            subject=repr(message_id),
            remedy="Use the `id` of a completion.",
            param="completion_id",
        )
        try:
            message = await self._store.read(partial(conversations.message, bot=None, message_id=message_id))
            conversation = await self._store.read(
                partial(conversations.conversation, conversation_id=message.conversation_id)
            )
        except NotFound:
            raise missing from None
        if not is_operator and conversation.owner != owner:
            raise missing
        return message


def _fields(opinion: Opinion) -> dict[str, Any]:
    reasons = None if opinion.reasons is None else tuple(opinion.reasons)
    return {**asdict(opinion), "reasons": reasons}


def _check(opinion: Opinion) -> None:
    too_long = [len(text) > MAX_TEXT_CHARS for text in (opinion.comment, opinion.ideal_answer) if text]
    if any(too_long) or len(opinion.reasons or ()) > MAX_REASONS or any(len(r) > 200 for r in opinion.reasons or ()):
        raise InvalidInput(
            f"is too long (texts up to {MAX_TEXT_CHARS} characters, {MAX_REASONS} reasons of 200)",
            subject="feedback",
            remedy="Shorten it.",
            param="comment",
        )
