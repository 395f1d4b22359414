"""The one way to take a vote and scores, for the chat page and the API alike: acknowledged only after it is durable.

Knows whose answer or conversation it is: a browser votes on answers in its own conversations, an API key on answers it
asked for, an operator on any. Does not know HTTP or Gradio, nor which scores a bot takes (`serve.scoring`).
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from collect import conversations, feedback
from collect.feedback import Opinion, Said
from collect.scores import Score, Scored, record_scores, scores_by
from collect.store import Cursor, Store
from nightschool.bots import Bot, BotShelf
from nightschool.errors import InvalidInput, NotAllowed, NotFound
from nightschool.owners import address_behind, belongs_to
from nightschool.records import BotName, Feedback, Vote, utc_now
from nightschool.scores import ScoreValue
from serve.masking import MaskOpinion, keep_as_meant
from serve.metrics import Metrics
from serve.pace import Pace
from serve.scoring import check_declared, check_scores

__all__ = ["Opinion", "Votes"]

MAX_TEXT_CHARS: Final = 20_000
MAX_REASONS: Final = 10
MAX_REASON_CHARS: Final = 200
TAKEN_BACK: Final = Opinion(Vote.NONE, (), "", "")


class _Voter(NamedTuple):
    """Who votes, and in whose conversation."""

    name: str
    bot: BotName
    conversation_id: str


class Word(NamedTuple):
    """What one voter says of an answer, or of a conversation as a whole."""

    voter: str
    bot: BotName
    conversation_id: str
    feedback: Feedback | None
    """None: nothing but scores."""
    scores: Mapping[str, Score]


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
        opinion = _checked(opinion)
        self._pace.spend(owner)
        voter = await self._voter(message_id, owner=owner, is_operator=is_operator)
        return await self._say(message_id, voter, opinion, address=address)

    async def score(
        self, conversation_id: str, scores: Mapping[str, ScoreValue], *, owner: str, is_operator: bool = False
    ) -> Word:
        """All scores of a conversation as a whole, once these are durable. Raises as `cast` does."""
        opinion = _checked(Opinion(scores=scores))
        self._pace.spend(owner)
        return await self._rate(await self._voter_in(conversation_id, owner=owner, is_operator=is_operator), opinion)

    async def read(self, message_id: str, *, owner: str, is_operator: bool = False) -> Feedback:
        """The owner's own opinion. Raises NotFound where there is none or the answer is somebody else's."""
        word = await self.word_on(message_id, owner=owner, is_operator=is_operator)
        if word.feedback is None:
            raise _nothing_said(message_id)
        return word.feedback

    async def word_on(self, message_id: str, *, owner: str, is_operator: bool = False) -> Word:
        """The owner's own opinion and scores of an answer. Raises NotFound where there are none, or it is somebody
        else's."""
        voter = await self._voter(message_id, owner=owner, is_operator=is_operator)
        return await self._word(voter, message_id)

    async def word_on_conversation(self, conversation_id: str, *, owner: str, is_operator: bool = False) -> Word:
        """The owner's own scores of a conversation as a whole. Raises as `word_on` does."""
        return await self._word(await self._voter_in(conversation_id, owner=owner, is_operator=is_operator), None)

    async def take_back(
        self, message_id: str, *, score: str | None = None, owner: str, is_operator: bool = False
    ) -> Feedback:
        """All that was said of an answer, or one score. Raises NotFound where it was not said, TooManyRequests."""
        self._pace.spend(owner)
        voter = await self._voter(message_id, owner=owner, is_operator=is_operator)
        word = await self._word(voter, message_id)
        gone = _gone(word, score)
        is_all = score is None and word.feedback is not None
        return await self._say(message_id, voter, replace(TAKEN_BACK, scores=gone) if is_all else Opinion(scores=gone))

    async def take_back_scores(
        self, conversation_id: str, *, score: str | None = None, owner: str, is_operator: bool = False
    ) -> Word:
        """Those of a conversation as a whole, or one of them. Raises as `take_back` does."""
        self._pace.spend(owner)
        voter = await self._voter_in(conversation_id, owner=owner, is_operator=is_operator)
        return await self._rate(voter, Opinion(scores=_gone(await self._word(voter, None), score)))

    async def in_conversation(self, conversation_id: str, *, owner: str) -> dict[str, Feedback]:
        """The owner's opinions by message id."""
        return await self._store.read(partial(feedback.feedback_in, conversation_id=conversation_id, voter=owner))

    async def _say(self, message_id: str, voter: _Voter, opinion: Opinion, *, address: str = "") -> Feedback:
        opinion = await self._taken(voter, opinion)
        said = Said(
            message_id, voter.name, opinion, self._now(), address_behind(address, secret=self._secret),
            voter.conversation_id, self._declared(voter.bot),
        )  # fmt: skip
        heard = await self._store.write_row(feedback.record_opinions, said)
        if heard.is_new:
            self._metrics.voted(heard.feedback)
        return heard.feedback

    async def _rate(self, voter: _Voter, opinion: Opinion) -> Word:
        scores = (await self._taken(voter, opinion)).scores or {}
        said = Scored(voter.conversation_id, None, voter.name, scores, self._now(), self._declared(voter.bot))
        await self._store.write_row(record_scores, said)
        return await self._store.read(partial(_find_word, voter=voter, message_id=None))

    async def _taken(self, voter: _Voter, opinion: Opinion) -> Opinion:
        """As it may be kept."""
        if file := self._shelf.bots.get(voter.bot):
            _check_taken(opinion, file)
            check_declared(opinion.scores or {}, file)
        return await self._mask(opinion, bot=voter.bot, conversation_id=voter.conversation_id)

    def _declared(self, bot: BotName) -> frozenset[str]:
        file = self._shelf.bots.get(bot)
        return frozenset(file.feedback.scores) if file else frozenset()

    async def _word(self, voter: _Voter, message_id: str | None) -> Word:
        found = await self._store.read(partial(_find_word, voter=voter, message_id=message_id))
        if found.feedback is None and not found.scores:
            raise _nothing_said(message_id or voter.conversation_id)
        return found

    async def _voter(self, message_id: str, *, owner: str, is_operator: bool) -> _Voter:
        try:
            message = await self._store.read(partial(conversations.message, bot=None, message_id=message_id))
            return await self._voter_in(message.conversation_id, owner=owner, is_operator=is_operator)
        except NotFound:
            raise NotFound(
                "is not an answer you asked for",
                subject=repr(message_id),
                remedy="Use the `id` of a completion.",
                param="completion_id",
            ) from None

    async def _voter_in(self, conversation_id: str, *, owner: str, is_operator: bool) -> _Voter:
        """Whoever asked, which behind a key may be a person; an operator on what others asked."""
        missing = NotFound(
            "is not a conversation of yours",
            subject=repr(conversation_id),
            remedy="Use the header `x-nightschool-conversation` of a completion.",
            param="conversation_id",
        )
        try:
            found = await self._store.read(partial(conversations.conversation, conversation_id=conversation_id))
        except NotFound:
            raise missing from None
        if belongs_to(found.owner, owner):
            return _Voter(found.owner, found.bot, conversation_id)
        if not is_operator:
            raise missing
        return _Voter(owner, found.bot, conversation_id)


def _find_word(cursor: Cursor, *, voter: _Voter, message_id: str | None) -> Word:
    said = feedback.feedback_of(cursor, message_id=message_id, voter=voter.name) if message_id else None
    scores = scores_by(cursor, conversation_id=voter.conversation_id, message_id=message_id, voter=voter.name)
    return Word(*voter, said, scores)


def _gone(word: Word, score: str | None) -> dict[str, None]:
    """What is taken back of it, as an opinion's scores. Raises NotFound where `score` is none of them."""
    if score is not None and score not in word.scores:
        names = ", ".join(word.scores) or "none"
        raise NotFound("is no score that you gave", subject=repr(score), remedy=f"You gave: {names}.", param="score")
    return dict.fromkeys([score] if score is not None else word.scores)


def _nothing_said(about: str) -> NotFound:
    return NotFound("has no feedback", subject=about, remedy="POST /v1/feedback gives some.")


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


def _checked(opinion: Opinion) -> Opinion:
    """With its scores as they are kept. Raises InvalidInput, which names what is too long or no score."""
    reasons = opinion.reasons or ()
    if len(reasons) > MAX_REASONS or any(len(reason) > MAX_REASON_CHARS for reason in reasons):
        raise _too_long("reasons", f"{MAX_REASONS} of {MAX_REASON_CHARS} characters")
    for param, text in (("comment", opinion.comment), ("ideal_answer", opinion.ideal_answer)):
        if len(text or "") > MAX_TEXT_CHARS:
            raise _too_long(param, f"{MAX_TEXT_CHARS} characters")
    return replace(opinion, scores=check_scores(opinion.scores)) if opinion.scores else opinion


def _too_long(param: str, limit: str) -> InvalidInput:
    return InvalidInput("is too long", subject=param, remedy=f"At most {limit} are kept.", param=param)
