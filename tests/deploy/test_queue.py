"""One training at a time, first come, first served, and everybody can see who waits for whom."""

import asyncio

import pytest

from deploy.queue import Queue
from nightschool.records import BotName

A, B, C = (BotName(name) for name in ("a", "b", "c"))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    queue, done, order = Queue(), {bot: asyncio.Event() for bot in (A, B, C)}, []

    async def train(bot: BotName) -> None:
        async with queue.turn(bot):
            order.append(bot)
            await done[bot].wait()

    async with asyncio.TaskGroup() as tasks:
        for bot in (B, A, C):
            tasks.create_task(train(bot))
        await settle()
        assert (order, queue.order) == ([B], (B, A, C))
        assert [queue.ahead_of(bot) for bot in (A, B, C)] == [B, None, B]
        done[B].set()
        await settle()
        assert (order, queue.order) == ([B, A], (A, C))
        assert queue.ahead_of(BotName("nobody")) is None
        done[A].set()
        done[C].set()
    assert (order, queue.order) == ([B, A, C], ())


@pytest.mark.parametrize("place", [0, 1])
async def test_who_leaves_makes_room(place: int) -> None:
    queue, order = Queue(), []

    async def train(bot: BotName) -> None:
        async with queue.turn(bot):
            order.append(bot)
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(train(bot)) for bot in (A, B, C)]
    await settle()
    tasks[place].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order[-1] == C
    assert queue.order == ()


async def test_a_training_that_fails_makes_room() -> None:
    queue = Queue()
    with pytest.raises(RuntimeError):
        async with queue.turn(A):
            raise RuntimeError
    async with queue.turn(B):
        assert queue.order == (B,)
