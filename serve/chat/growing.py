"""An answer's line on the page as it grows, alone or beside another one that comes at the same time.

Of two the one may fail: the other comes to its end. Does not know who is asked, nor how a line is drawn.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from nightschool.records import Finish
from serve.chat.views import Line
from serve.turn import Turn
from serve.turns import Turns

log = logging.getLogger(__name__)


async def grow(turns: Turns, turn: Turn, line: Line) -> AsyncGenerator[Line, None]:
    """`line` with each piece of the answer. Raises what the engine raises."""
    async with aclosing(turns.answer(turn)) as deltas:
        async for delta in deltas:
            line = replace(line, text=line.text + delta.text, finish=delta.finish)
            yield line


async def grow_both(turns: Turns, usual: Turn, other: Turn, line: Line, beside: Line) -> AsyncGenerator[Line, None]:
    """`line` with the other turn's `beside` it. Closed, both end; raises only where both failed."""
    grown, news = [line, beside], asyncio.Event()

    async def follow(place: int, turn: Turn) -> None:
        try:
            async with aclosing(grow(turns, turn, grown[place])) as lines:
                async for longer in lines:
                    grown[place] = longer
                    news.set()
        except Exception:
            grown[place] = replace(grown[place], finish=Finish.ERROR)
            raise

    tasks = [asyncio.create_task(follow(place, turn)) for place, turn in enumerate((usual, other))]
    for task in tasks:
        task.add_done_callback(lambda _: news.set())
    try:
        while not all(task.done() for task in tasks):
            await news.wait()
            news.clear()
            yield replace(grown[0], beside=grown[1])
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [end for end in ends if isinstance(end, Exception)]
    if len(failures) == len(tasks):
        raise failures[0]
    for failure in failures:
        log.warning("one of two answers failed: %s", failure)
