"""What people would be shown of a contestant's answers: the exam's go through the bot's guard as a chat's do.

In: rows and what was answered, and the rules of the guard. Out: by row, the text that a person would read. An answer of
which nothing is held back is shown as it stands and costs nothing; a second try is asked of the same contestant, and
kept with the answers (`eval.kept`). Does not know scores.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from eval.answers import Answer, Contestant, Said, gather_or_first_failure, hear, seeded
from eval.guard import Guard, Second
from eval.kept import Kept, digest, kept_file
from eval.suites import SuiteRow
from nightschool.engine import ChatRequest, Delta, Engine
from nightschool.knowledge import Found, Passage, grounds_in, question_in, with_passages
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import ChatMessage, Sampling, new_id


@dataclass(frozen=True, slots=True)
class GuardOrder:
    """By which rules a bot holds back what stands on nothing (`nightschool.knowledge_part`)."""

    rules: KnowledgePart
    find: Callable[[Sequence[str]], Found]
    """A conversation's questions, oldest first -> what the bot's documents hold for the last one."""

    @property
    def identity(self) -> list[Any]:
        """As JSON holds it; what the documents say is no part of it."""
        return [self.rules.hand_over, list(self.rules.glossary), self.rules.quote_score, self.rules.quotes]


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer as people would read it."""

    text: str
    is_held: bool
    """Something of it was held back."""


def as_said(answer: Answer) -> Shown:
    """Where the bot has no guard."""
    return Shown(answer.text, is_held=False)


async def show_answers(
    engine: Engine,
    rows: Sequence[SuiteRow],
    answers: Mapping[str, Answer],
    *,
    order: GuardOrder,
    contestant: Contestant,
    sampling: Sampling,
    cache: Path,
    in_flight: int,
) -> dict[str, Shown]:
    """By row id, of every row; at most `in_flight` second tries at once. Raises what the engine raises."""
    kept = Kept(kept_file(cache, contestant.content_hash, what="shown"), Shown)
    slots = asyncio.Semaphore(in_flight)

    async def one(row: SuiteRow) -> Shown:
        answer = answers[row.row_id]
        found = await asyncio.to_thread(order.find, asked_in(row.messages))
        key = _key(row, answer, found, order=order, sampling=sampling)
        shown = kept.find(key)
        if shown is None:
            async with slots:
                said = Said(answer.text, answer.finish, answer.completion_tokens)
                request = ChatRequest(row.messages, contestant.model, seeded(sampling, row), f"eval-{new_id()}")
                shown = await show(engine, request, said, found, order=order)
            kept.keep(key, shown, row_id=row.row_id)
        return shown

    shown = await gather_or_first_failure([one(row) for row in rows])
    return {row.row_id: one for row, one in zip(rows, shown, strict=True)}


async def show(engine: Engine, request: ChatRequest, said: Said, found: Found, *, order: GuardOrder) -> Shown:
    """What people would read where `said` was answered to `request`. Raises what the engine raises."""
    messages = request.messages
    # Behind the question what was called for it may stand.
    at = max(place for place, message in enumerate(messages) if message["role"] == "user")

    async def retry(passage: Passage) -> Second:
        asked = ChatMessage(role="user", content=with_passages(question_in(messages[at]["content"]), [passage]))
        again = replace(request, messages=(*messages[:at], asked, *messages[at + 1 :]), request_id=f"eval-{new_id()}")
        second = await hear(engine, again, what="the second answer")
        return Second(second.text, 0, second.completion_tokens, second.finish)

    async def given() -> AsyncGenerator[Delta, None]:
        yield Delta(said.text)
        yield Delta("", said.finish, 0, said.completion_tokens)

    guard = Guard(order.rules, [*grounds_in(messages), order.rules.hand_over], found, retry)
    async with aclosing(guard.watch(given())) as deltas:
        text = "".join([delta.text async for delta in deltas])
    return Shown(text, bool(guard.held))


def asked_in(messages: Sequence[ChatMessage]) -> list[str]:
    """The questions of a prompt, oldest first, without the passages below which the last one stands."""
    return [question_in(message["content"]) for message in messages if message["role"] == "user"]


def _key(row: SuiteRow, answer: Answer, found: Found, *, order: GuardOrder, sampling: Sampling) -> str:
    passages = [(passage.passage_id, score) for passage, score in zip(found.passages, found.scores, strict=True)]
    asked = [row.row_id, row.messages, answer.text, answer.finish, order.identity, passages, asdict(sampling)]
    return digest(json.dumps(asked, ensure_ascii=False, sort_keys=True))
