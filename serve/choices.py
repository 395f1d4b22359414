"""Several answers to one question (`n`): as many turns, heard together.

Each is a conversation of its own in the record, so that a night never takes one for what was asked for again in the
place of another. Does not know HTTP.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import NamedTuple

from nightschool.engine import Delta
from nightschool.records import new_id
from serve.turns import Turn


class Heard(NamedTuple):
    choice: int
    delta: Delta


def copies(turn: Turn, count: int) -> list[Turn]:
    """The turn, and others like it; a seed counts up, or all would draw the same words."""
    return [turn, *(_copy(turn, place) for place in range(1, count))]


async def hear_all(answers: Sequence[AsyncGenerator[Delta, None]]) -> AsyncGenerator[Heard, None]:
    """The pieces of all answers as they come. The first failure of one ends them all, as does closing this."""
    waiting = {_next(answer): index for index, answer in enumerate(answers)}
    try:
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=waiting.__getitem__):
                index = waiting.pop(task)
                if (delta := task.result()) is not None:
                    yield Heard(index, delta)
                    waiting[_next(answers[index])] = index
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for answer in answers:
            await answer.aclose()


def _next(answer: AsyncGenerator[Delta, None]) -> asyncio.Task[Delta | None]:
    return asyncio.ensure_future(_next_or_none(answer))


async def _next_or_none(answer: AsyncGenerator[Delta, None]) -> Delta | None:
    return await anext(answer, None)


def _copy(turn: Turn, place: int) -> Turn:
    conversation = replace(turn.conversation, conversation_id=new_id())
    ids = {message.message_id: new_id() for message in turn.asked}
    asked = tuple(
        replace(
            message,
            message_id=ids[message.message_id],
            conversation_id=conversation.conversation_id,
            parent_id=ids[message.parent_id] if message.parent_id else None,
        )
        for message in turn.asked
    )
    seed = turn.sampling.seed
    sampling = turn.sampling if seed is None else replace(turn.sampling, seed=seed + place)
    return replace(turn, conversation=conversation, asked=asked, answer_id=new_id(), sampling=sampling, path="")
