"""How content people are with a version of the bot, and what it has forgotten: asked of the engine itself.

No record holds the hidden questions, so no night ever sees them. What a version answered is kept in a file under its
content hash and not asked again.
"""

import asyncio
import json
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict

from bench.common.moved_server import Site
from bench.common.shop_general import GENERAL
from bench.common.shop_world import Hidden, Said, satisfaction
from nightschool.bots import Bot
from nightschool.engine import ChatRequest
from nightschool.files import write_atomic
from nightschool.records import BASE, Adapter, ChatMessage, Finish, new_id

T = TypeVar("T")
AT_ONCE: Final = 16


class Measured(BaseModel):
    """One version on all questions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: tuple[tuple[str, bool], ...]
    """To the hidden questions, in their order: the text, and whether it ended."""
    general: tuple[float, ...]
    """Mean log-probability of a token of each general answer."""

    def satisfactions(self, hidden: Sequence[Hidden]) -> list[float]:
        return [
            satisfaction(Said(text, has_ended), one.question, one.taste)
            for (text, has_ended), one in zip(self.answers, hidden, strict=True)
        ]

    def loss_against(self, base: "Measured") -> float:
        """Nats a token by which general answers became less likely."""
        losses = [was - now for was, now in zip(base.general, self.general, strict=True)]
        return sum(losses) / len(losses)


async def measure(site: Site, bot: Bot, adapter: Adapter | None, *, hidden: Sequence[Hidden], folder: Path) -> Measured:
    """`adapter` None is the base model."""
    file = folder / f"{adapter.content_hash[:16] if adapter else BASE}.json"
    if file.exists():
        return Measured.model_validate_json(file.read_bytes())
    rollout = site.parts.rollout
    with rollout.lease_all([adapter] if adapter else []):
        if adapter:
            await rollout.load(adapter)
        model = str(adapter.name) if adapter else BASE
        answers = await _gather([_answer(site, bot, model, one.question.text) for one in hidden])
        general = await _gather([_likelihood(site, model, *pair) for pair in GENERAL])
    measured = Measured(answers=tuple(answers), general=tuple(general))
    write_atomic(file, json.dumps(measured.model_dump()))
    return measured


async def _gather(work: Sequence[Awaitable[T]]) -> list[T]:
    """The results in order, `AT_ONCE` at a time."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(waiting: Awaitable[T]) -> T:
        async with slots:
            return await waiting

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(waiting)) for waiting in work]
    return [task.result() for task in tasks]


async def _answer(site: Site, bot: Bot, model: str, question: str) -> tuple[str, bool]:
    asked = (ChatMessage(role="system", content=bot.system_prompt), ChatMessage(role="user", content=question))
    request = ChatRequest(asked, model, bot.sampling.to_sampling(), new_id())
    text, finish = "", None
    async with aclosing(site.parts.engine.stream(request)) as deltas:
        async for delta in deltas:
            text, finish = text + delta.text, delta.finish
    return text, finish is Finish.STOP


async def _likelihood(site: Site, model: str, question: str, answer: str) -> float:
    chat = await site.parts.engine.tokenize([ChatMessage(role="user", content=question)], answer=answer)
    found = await site.parts.engine.answer_logprobs(model, chat.prompt_ids, chat.answer_ids)
    return sum(found) / len(found)
