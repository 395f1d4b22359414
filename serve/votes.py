"""The one way to take a vote, for the chat page and the API alike: acknowledged only after it is durable.

Knows whose answer it is: a browser votes on answers in its own conversations, an API key on answers it asked for, an
operator on any. Does not know HTTP or Gradio.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from collect import conversations, feedback
from collect.feedback import Opinion, Said
from collect.store import Store
from nightschool.bots import Bot, BotShelf
from nightschool.errors import InvalidInput, NotAllowed, NotFound
from nightschool.owners import address_behind, belongs_to
from nightschool.records import BotName, Feedback, Vote, utc_now
from serve.masking import MaskOpinion, keep_as_meant
from serve.metrics import Metrics
from serve.pace import Pace

__all__ = ["Opinion", "Votes"]

MAX_TEXT_CHARS: Final = 20_000
MAX_REASONS: Final = 10
MAX_REASON_CHARS: Final = 200


class _Voter(NamedTuple):
    """Who votes, and on whose answer."""

    name: str
    bot: BotName
    conversation_id: str


class Votes:
    """Takes and shows votes. `pace` is a budget of its own beside that for answers."""

    def __init__(
        self,
        store: Store,
        shelf: BotShelf,
        *,
        metrics: Metrics,
        pace: Pace,
        secret: str,
        mask: MaskOpinion = keep_as_meant,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`secret` is the key by which an address is hashed."""
        self._store = store
        self._shelf = shelf
        self._metrics = metrics
        self._pace = pace
        self._secret = secret
        self._mask = mask
        self._now = now

    async def cast(
        self, message_id: str, opinion: Opinion, *, owner: str, is_operator: bool = False, address: str = ""
    ) -> Feedback:
        """The stored row, once it is durable; an opinion that stands already counts once. Of the `address` that it
        came from only a hash is kept.

        Raises NotFound (also for somebody else's answer), InvalidInput, NotAllowed where the bot's file takes no such
        word, TooManyRequests.
        """
        _check(opinion)
        self._pace.spend(owner)
        voter, bot, talk = await self._voter(message_id, owner=owner, is_operator=is_operator)
        if file := self._shelf.bots.get(bot):
            _check_taken(opinion, file)
        opinion = await self._mask(opinion, bot=bot, conversation_id=talk)
        came_from = address_behind(address, secret=self._secret)
        said = Said(message_id, voter, opinion, self._now(), came_from)
        heard = await self._store.write_row(feedback.record_opinions, said)
        if heard.is_new:
            self._metrics.voted(heard.feedback)
        return heard.feedback

    async def read(self, message_id: str, *, owner: str, is_operator: bool = False) -> Feedback:
        """The owner's own opinion. Raises NotFound where there is none or the answer is somebody else's."""
        voter, *_ = await self._voter(message_id, owner=owner, is_operator=is_operator)
        found = await self._store.read(partial(feedback.feedback_of, message_id=message_id, voter=voter))
        if found is None:
            raise NotFound("has no feedback", subject=message_id, remedy="POST /v1/feedback gives some.")
        return found

    async def in_conversation(self, conversation_id: str, *, owner: str) -> dict[str, Feedback]:
        """The owner's opinions by message id."""
        return await self._store.read(partial(feedback.feedback_in, conversation_id=conversation_id, voter=owner))

    async def _voter(self, message_id: str, *, owner: str, is_operator: bool) -> _Voter:
        """Whoever asked, which behind a key may be a person; an operator on what others asked."""
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
        if belongs_to(conversation.owner, owner):
            return _Voter(conversation.owner, message.bot, message.conversation_id)
        if not is_operator:
            raise missing
        return _Voter(owner, message.bot, message.conversation_id)


def _check_taken(opinion: Opinion, bot: Bot) -> None:
    """Raises NotAllowed, which names the switch of the bot's file. What was said before may be taken back."""
    said = {"comment": opinion.comment, "ideal_answer": opinion.ideal_answer}
    if not bot.feedback.votes and (opinion.vote in {Vote.UP, Vote.DOWN} or opinion.reasons or any(said.values())):
        raise _switched_off("takes no votes", bot, switch="votes", param="vote")
    for param, text in said.items():
        if text and not bot.feedback.comments:
            raise _switched_off("takes no comments", bot, switch="comments", param=param)


def _switched_off(problem: str, bot: Bot, *, switch: str, param: str) -> NotAllowed:
    return NotAllowed(problem, subject=bot.name, remedy=f"feedback.{switch} is off in the bot's file.", param=param)


def _check(opinion: Opinion) -> None:
    """Raises InvalidInput, which names what is too long."""
    reasons = opinion.reasons or ()
    if len(reasons) > MAX_REASONS or any(len(reason) > MAX_REASON_CHARS for reason in reasons):
        raise _too_long("reasons", f"{MAX_REASONS} of {MAX_REASON_CHARS} characters")
    for param, text in (("comment", opinion.comment), ("ideal_answer", opinion.ideal_answer)):
        if len(text or "") > MAX_TEXT_CHARS:
            raise _too_long(param, f"{MAX_TEXT_CHARS} characters")


def _too_long(param: str, limit: str) -> InvalidInput:
    return InvalidInput("is too long", subject=param, remedy=f"At most {limit} are kept.", param=param)
