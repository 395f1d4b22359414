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


async def test_nights_come_before_jobs_and_keys_take_turns() -> None:
    queue, order, may_go = Queue(), list[str](), asyncio.Event()

    async def train(bot: str, key: str | None) -> None:
        async with queue.turn(BotName(bot), key=key):
            order.append(bot)
            await may_go.wait()

    async with asyncio.TaskGroup() as tasks:
        for bot, key in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"), ("night", None), ("c1", "c")):
            tasks.create_task(train(bot, key))
            await settle()
        wanted = ["a1", "night", "b1", "c1", "a2", "a3"]
        assert list(queue.order) == wanted
        assert queue.ahead_of(BotName("a3")) == "a1"
        may_go.set()
    assert (order, queue.order) == (wanted, ())


async def test_who_leaves_as_it_is_called_makes_room() -> None:
    queue = Queue()
    async with queue.turn(A):
        waiting = asyncio.create_task(take_turn(queue, B))
        await settle()
    # Called by now, and cancelled before it could begin.
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(1), queue.turn(C):
        assert queue.order == (C,)


async def take_turn(queue: Queue, bot: BotName) -> None:
    async with queue.turn(bot):
        pass
