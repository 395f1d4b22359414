"""An engine that is not ours may say anything; the watch goes on."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import pytest

from nightschool.echo import EchoEngine
from nightschool.errors import EngineError
from serve.vllm.supervisor import EngineState
from serve.watch import EngineWatch


class Moody(EchoEngine):
    """Raises what stands in `mood` when it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.mood: Exception | None = None

    async def check_ready(self) -> None:
        if self.mood:
            raise self.mood


def watching(engine: Moody, on_ready: Callable[[], Awaitable[None]]) -> EngineWatch:
    return EngineWatch(engine, on_ready=on_ready, period_s=0.005)


async def until(claim: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not claim():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    "mood",
    [
        json.JSONDecodeError("Expecting value", "<html>", 0),
        KeyError("usage"),
        EngineError("x", subject="y", remedy="z"),
    ],
)
async def test_an_engine_out_of_its_mind_is_down_until_it_answers_again(
    mood: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    engine, welcomed = Moody(), []

    async def on_ready() -> None:
        welcomed.append(1)

    watch = watching(engine, on_ready)
    task = asyncio.create_task(watch.run())
    await until(lambda: watch.status.state is EngineState.READY)
    engine.mood = mood
    await until(lambda: watch.status.state is EngineState.DOWN)
    await asyncio.sleep(0.05)
    assert len([r for r in caplog.records if r.levelno >= logging.WARNING]) == 1
    engine.mood = None
    await until(lambda: watch.status.state is EngineState.READY)
    assert (len(welcomed), watch.status.starts) == (2, 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_follows_a_start_is_tried_again_where_it_fails() -> None:
    tries: list[int] = []

    async def on_ready() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("the record is closed")

    watch = watching(Moody(), on_ready)
    task = asyncio.create_task(watch.run())
    await until(lambda: watch.status.state is EngineState.READY)
    assert (len(tries), watch.status.starts) == (3, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
