"""Have a model of ours answer one row of a run, as it would answer a caller, but for the record: nothing is kept of it.

The bot's prompt, its documents and its guard stand as in a chat. Does not know how an answer is graded.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from collect.eval_runs import Generation, Usage
from deploy.rollout import Rollout, Route
from eval.graders.template import Ungraded, fill, look_up
from nightschool.bots import Bot, BotShelf
from nightschool.engine import ChatRequest, Delta, Engine
from nightschool.errors import Unavailable, UnknownModel
from nightschool.knowledge import Search
from nightschool.records import ChatMessage, Finish, Sampling, new_id
from serve.budget import Fit
from serve.guarding import guard_of
from serve.prompting import Prompt, compose_call
from serve.tuned import PREFIX, TunedModels

ROLES: Final[Mapping[str, Any]] = {
    "system": "system", "developer": "system", "user": "user", "assistant": "assistant",
}  # fmt: skip
PATIENCE_S: Final = 30.0
"""With people, for each answer: a run comes to its end on a server that is always busy too."""
LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Answerers:
    """What answers are made with."""

    engine: Engine
    rollout: Rollout
    shelf: BotShelf
    tuned: TunedModels
    search: Search
    fit: Fit
    slots: asyncio.Semaphore
    """So many answers at once, over all runs."""
    are_people_waiting: Callable[[], bool] = lambda: False
    """They go first."""
    patience_s: float = PATIENCE_S

    async def find(self, generation: Generation) -> "Answerer":
        """Raises UnknownModel, NotFound where it is gone by now, and what a failed load raises."""
        if generation.model.startswith(PREFIX):
            bot, route = await self.tuned.open(generation.model, owner=None)
            return Answerer(bot, route)
        bot = self.shelf.find(generation.bot)
        return Answerer(bot, await self.rollout.route_to(bot.bot_name, generation.version))

    async def let_people_go_first(self) -> None:
        """Returns when nobody waits for an answer, or enough was waited for them."""
        ends_s = time.monotonic() + self.patience_s
        while self.are_people_waiting() and time.monotonic() < ends_s:  # noqa: ASYNC110  # nobody tells when they go
            await asyncio.sleep(LOOK_S)


class Answerer(NamedTuple):
    bot: Bot
    route: Route


class Sampled(NamedTuple):
    values: Mapping[str, Any]
    """What templates see as `sample`."""
    card: Mapping[str, Any]
    """As OpenAI tells it."""
    usage: Usage


async def sample(
    answerers: Answerers, who: Answerer, generation: Generation, item: Mapping[str, Any], *, asked: list[Any] | str
) -> Sampled:
    """Raises Ungraded or InvalidInput where the row cannot be asked, and what the engine raises."""
    messages = messages_of(asked, item)
    prompt = compose_call(who.bot, messages, search=answerers.search)
    prompt, sampling = await answerers.fit(prompt, generation.sampling)
    async with answerers.slots:
        await answerers.let_people_go_first()
        text, last = await _hear(answerers, who, prompt, sampling)
    usage = Usage(invocations=1, prompt_tokens=last.prompt_tokens, completion_tokens=last.completion_tokens)
    card = {
        "model": generation.model,
        "input": messages,
        "output": [{"role": "assistant", "content": text}],
        "finish_reason": "length" if last.finish is Finish.LENGTH else "stop",
        "usage": usage_card(usage),
        "error": None,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_completion_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    return Sampled(card | {"output_text": text}, card, usage)


def messages_of(asked: list[Any] | str, item: Mapping[str, Any]) -> list[ChatMessage]:
    """Of a row: a list of messages with templates, or the path of one in the item. Raises Ungraded."""
    values = {"item": item}
    if not isinstance(asked, str):
        return [ChatMessage(role=ROLES[one["role"]], content=fill(one["content"], values)) for one in asked]
    found = look_up(asked, values)
    if isinstance(found, str):
        return [ChatMessage(role="user", content=found)]
    match found:
        case [_, *_]:
            return [_message(one, asked) for one in found]
    raise Ungraded(f"{asked} is no list of messages")


def usage_card(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "cached_tokens": 0,
    }


def _message(given: Any, where: str) -> ChatMessage:
    match given:
        case {"role": str(role), "content": str(content)} if role in ROLES:
            return ChatMessage(role=ROLES[role], content=content)
    raise Ungraded(f"{where} holds what is no message with a role and a text: {json.dumps(given)[:120]}")


async def _hear(answerers: Answerers, who: Answerer, prompt: Prompt, sampling: Sampling) -> tuple[str, Delta]:
    with answerers.rollout.lease(who.bot.bot_name, route=who.route) as route:
        request = ChatRequest(prompt.messages, route.model, sampling, f"eval-{new_id()}")
        guard = guard_of(prompt, request, answerers.engine)
        pieces, last = [], Delta("")
        try:
            async with aclosing(answerers.engine.stream(request)) as deltas:
                async for last in guard.watch(deltas) if guard else deltas:
                    pieces.append(last.text)
        except UnknownModel as error:
            # The route's fault and not the row's: an engine that was started anew has not loaded it yet.
            raise Unavailable("is not loaded", subject=str(route.name), remedy="Ask again in a moment.") from error
    return "".join(pieces), last
