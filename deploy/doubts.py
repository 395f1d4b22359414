"""Weigh what people said next by the base model: a reply that speaks against an answer makes it less likely.

The log-ratio, a token, of the answer with and without the follow-up, log p(answer | talk, follow-up) - log p(answer |
talk), by the frozen base model, so that no night moves the measure. It orders the review queue and teaches nothing. The
follow-up stands behind the question, since an answer cannot be scored before what comes after it. Done behind a night,
for as many of the newest follow-ups as `night.follow_ups` says, each once; what the engine refuses as too long counts
as weighed. Does not know when a night is over (`deploy.cycle`).
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Final

from collect.signals.doubts import FollowUp, Weighed, find_unweighed, keep_weighed
from collect.store import Store
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import EngineError, InvalidInput
from nightschool.records import BASE, ChatMessage

HINDSIGHT: Final = "{question}\n\n(What I say to your answer: {follow_up})"
FAINT: Final = 0.05
"""Nats a token: less is noise."""
FULL: Final = 0.5
"""From here on a doubt is as strong as one can be."""


async def weigh_follow_ups(store: Store, engine: Engine, *, bot: Bot, limit: int) -> int:
    """How many were weighed. Each is kept as soon as it is. Raises EngineError, RecordError."""
    follow_ups = await store.read(partial(find_unweighed, bot=bot.bot_name, limit=limit)) if limit else []
    for follow_up in follow_ups:
        weighed = await weigh(engine, follow_up, system_prompt=bot.system_prompt)
        await store.write(partial(keep_weighed, bot=bot.bot_name, weighed=[weighed]))
    return len(follow_ups)


async def weigh(engine: Engine, follow_up: FollowUp, *, system_prompt: str) -> Weighed:
    """Raises EngineError."""
    *talk, question = follow_up.before
    told = HINDSIGHT.format(question=question["content"], follow_up=follow_up.text)
    known = ChatMessage(role="user", content=told)
    system = ChatMessage(role="system", content=system_prompt)
    try:
        without = await _mean_logprob(engine, (system, *talk, question), answer=follow_up.answer)
        with_it = await _mean_logprob(engine, (system, *talk, known), answer=follow_up.answer)
    except InvalidInput:
        return Weighed(follow_up, 0.0, 0.0)
    ratio = with_it - without
    strength = 0.0 if ratio > -FAINT else min(-ratio / FULL, 1.0)
    return Weighed(follow_up, ratio, round(strength, 3))


async def _mean_logprob(engine: Engine, messages: Sequence[ChatMessage], *, answer: str) -> float:
    """Of the answer's tokens and its end of turn."""
    chat = await engine.tokenize(messages, answer=answer)
    found = await engine.token_logprobs(BASE, (*chat.prompt_ids, *chat.answer_ids))
    said = found[-len(chat.answer_ids) :]
    is_whole = len(found) == len(chat.prompt_ids) + len(chat.answer_ids) - 1
    if not chat.answer_ids or not is_whole or not all(map(math.isfinite, said)):
        raise EngineError("gave no log-probabilities of what it was asked", subject=BASE, remedy="Look at its log.")
    return sum(said) / len(said)
