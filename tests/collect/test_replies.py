"""Whoever waits for the writer hears what became of their row, and of theirs alone."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from collect.replies import Replies
from nightschool.errors import Busy


async def test_each_hears_of_its_own_however_many_are_known_at_once() -> None:
    replies = Replies()
    written: list[Future[int]] = [Future() for _ in range(300)]
    waiting = [replies.wait_for(done) for done in written]

    def commit() -> None:
        for number, done in enumerate(written):
            if number % 100 == 7:
                done.set_exception(Busy("is taken", subject=str(number), remedy="Wait."))
            else:
                done.set_result(number)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(commit)
        heard = await asyncio.gather(*waiting, return_exceptions=True)
    assert [number for number, one in enumerate(heard) if isinstance(one, Busy)] == [7, 107, 207]
    assert all(one == number for number, one in enumerate(heard) if not isinstance(one, Busy))


async def test_who_gives_up_waiting_gives_up_the_write_where_it_has_not_begun() -> None:
    replies = Replies()
    queued, running = Future[int](), Future[int]()
    assert running.set_running_or_notify_cancel()
    waiting = [replies.wait_for(queued), replies.wait_for(running)]
    for one in waiting:
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
    await asyncio.sleep(0)
    assert queued.cancelled()
    running.set_result(1)  # was made all the same, and nobody is told
    await asyncio.sleep(0)
