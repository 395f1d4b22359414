"""POST /v1/feedback, GET and DELETE below it: what a caller thinks of an answer they asked for, or of a conversation.

A word is acknowledged once it is durable (`serve.votes`). Whoever cast a vote is told what became of it
(`deploy.fates`). What is sent again under its `Idempotency-Key` does not undo what was said in between
(`serve.api.repeats`).
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict

from collect import conversations
from collect.scores import Score, scores_by
from collect.store import Cursor
from deploy.fates import Fates, State
from nightschool.records import AdapterName, Feedback, Message, Vote, utc_now
from nightschool.scores import ScoreValue
from serve.api.auth import Authority, Caller, require_key
from serve.api.bodies import read_body
from serve.api.faults import BadParameter
from serve.api.repeats import Repeats, hash_body, in_one_piece, read_key
from serve.parts import Parts
from serve.votes import Opinion, Word


class FeedbackBody(BaseModel):
    """What is left out stays as it was said before, unless the vote turns into another one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    completion_id: str | None = None
    """The `id` of a completion. This or a conversation."""
    conversation_id: str | None = None
    """As the header `x-nightschool-conversation` of a completion says; takes scores alone."""
    vote: Vote | None = None
    """`none` takes a vote back."""
    reasons: tuple[str, ...] | None = None
    comment: str | None = None
    ideal_answer: str | None = None
    """What should have been answered; a night trains on it once an operator has taken it up."""
    scores: dict[str, Any] | None = None
    """By name a boolean, a number or a category, as `serve.scoring` checks them."""


class ScoresRow(BaseModel):
    """The scores of a conversation as they are stored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    conversation_id: str
    bot: str
    scores: Mapping[str, ScoreValue]
    voted_at: AwareDatetime | None
    """When the newest of them was given; null where none stands."""


class FeedbackRow(BaseModel):
    """The row as it is stored."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    completion_id: str
    conversation_id: str
    bot: str
    version: str
    """Who answered: `support@3` or `support@base`."""
    vote: Vote
    reasons: tuple[str, ...]
    comment: str
    ideal_answer: str
    scores: Mapping[str, ScoreValue]
    voted_at: AwareDatetime
    """When the newest of it was said."""


class Became(BaseModel):
    """What became of the opinion since."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    state: State
    """`waiting`, `learnt`, `held-out`, `left-out`, `taken-back`, or `unknown` where it is not kept any more."""
    why: str
    version: str | None
    """The first that learnt it, or whose exam it is kept for: `support@7`."""
    dataset: str | None
    """The hash of the dataset it is in."""


class FollowedRow(FeedbackRow):
    """The row as it is stored, and what became of it."""

    became: Became | None
    """Null where there are scores alone: those are not learnt."""


def feedback_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    repeats = Repeats()
    authorise = require_key(parts)
    fates = Fates(parts.store, parts.home)

    @router.post("/v1/feedback", response_model=FeedbackRow | ScoresRow)
    async def vote(request: Request, caller: Caller = Depends(authorise)) -> Response:
        body = await read_body(request, FeedbackBody, max_bytes=parts.settings.server.max_body_bytes)
        key, cast = read_key(request.headers), partial(_cast, parts, body, caller)
        if key is None:
            return Response(await cast(), media_type="application/json")
        kept = repeats.once(caller.owner, key, fingerprint=hash_body(body), make=in_one_piece(cast))
        return Response(await kept.whole(), media_type="application/json")

    _add_conversations(router, parts, authorise)

    @router.delete("/v1/feedback/{completion_id:path}")
    async def take_back(
        completion_id: str, score: str | None = None, caller: Caller = Depends(authorise)
    ) -> FeedbackRow:
        stored = await parts.votes.take_back(
            completion_id, score=score, owner=caller.owner, is_operator=caller.is_operator
        )
        return await _row(parts, stored)

    @router.get("/v1/feedback/{completion_id:path}")
    async def show(completion_id: str, caller: Caller = Depends(authorise)) -> FollowedRow:
        word = await parts.votes.word_on(completion_id, owner=caller.owner, is_operator=caller.is_operator)
        became = None
        if word.feedback:
            fate = await fates.find(word.feedback)
            became = Became(
                state=fate.state,
                why=fate.why,
                version=str(fate.adapter.name) if fate.adapter else None,
                dataset=fate.adapter.dataset_hash if fate.adapter else None,
            )
        stored = word.feedback or Feedback(completion_id, word.bot, word.voter, Vote.NONE, (), "", "", utc_now())
        return FollowedRow(**(await _row(parts, stored)).model_dump(), became=became)

    return router


def _add_conversations(router: APIRouter, parts: Parts, authorise: Authority) -> None:
    path = "/v1/feedback/conversations/{conversation_id}"

    @router.get(path)
    async def show(conversation_id: str, caller: Caller = Depends(authorise)) -> ScoresRow:
        word = await parts.votes.word_on_conversation(
            conversation_id, owner=caller.owner, is_operator=caller.is_operator
        )
        return _scores_row(word)

    @router.delete(path)
    async def take_back(
        conversation_id: str, score: str | None = None, caller: Caller = Depends(authorise)
    ) -> ScoresRow:
        word = await parts.votes.take_back_scores(
            conversation_id, score=score, owner=caller.owner, is_operator=caller.is_operator
        )
        return _scores_row(word)


async def _cast(parts: Parts, body: FeedbackBody, caller: Caller) -> bytes:
    if body.conversation_id is not None:
        scores = _of_conversation(body)
        word = await parts.votes.score(body.conversation_id, scores, owner=caller.owner, is_operator=caller.is_operator)
        return _scores_row(word).model_dump_json().encode()
    if body.completion_id is None:
        raise BadParameter(
            "is missing",
            param="completion_id",
            openai_code="missing_required_parameter",
            remedy="Name an answer by it, or a conversation by conversation_id.",
        )
    opinion = Opinion(body.vote, body.reasons, body.comment, body.ideal_answer, body.scores)
    stored = await parts.votes.cast(body.completion_id, opinion, owner=caller.owner, is_operator=caller.is_operator)
    return (await _row(parts, stored)).model_dump_json().encode()


def _of_conversation(body: FeedbackBody) -> Mapping[str, Any]:
    """The scores, of which there are some, and nothing else. Raises BadParameter."""
    for param in ("completion_id", "vote", "reasons", "comment", "ideal_answer"):
        if getattr(body, param) is not None:
            remedy = "Leave it out, or name an answer by completion_id alone."
            raise BadParameter("is of an answer", param=param, openai_code="invalid_value", remedy=remedy)
    if not body.scores:
        raise BadParameter("are missing", param="scores", openai_code="missing_required_parameter")
    return body.scores


async def _row(parts: Parts, stored: Feedback) -> FeedbackRow:
    answer, scores = await parts.store.read(partial(_find_scores, stored=stored))
    moments = [score.said_at for score in scores.values()]
    if not moments or stored.vote is not Vote.NONE or stored.reasons or stored.comment or stored.ideal_answer:
        moments.append(stored.voted_at)
    return FeedbackRow(
        completion_id=stored.message_id,
        conversation_id=answer.conversation_id,
        bot=stored.bot,
        version=str(AdapterName(stored.bot, answer.version)),
        vote=stored.vote,
        reasons=stored.reasons,
        comment=stored.comment,
        ideal_answer=stored.ideal_answer,
        scores=_values(scores),
        voted_at=max(moments),
    )


def _find_scores(cursor: Cursor, *, stored: Feedback) -> tuple[Message, Mapping[str, Score]]:
    answer = conversations.message(cursor, bot=None, message_id=stored.message_id)
    about = {"conversation_id": answer.conversation_id, "message_id": stored.message_id}
    return answer, scores_by(cursor, voter=stored.voter, **about)


def _scores_row(word: Word) -> ScoresRow:
    newest = max((score.said_at for score in word.scores.values()), default=None)
    return ScoresRow(conversation_id=word.conversation_id, bot=word.bot, scores=_values(word.scores), voted_at=newest)


def _values(scores: Mapping[str, Score]) -> dict[str, ScoreValue]:
    return {name: score.value for name, score in scores.items() if score.value is not None}
