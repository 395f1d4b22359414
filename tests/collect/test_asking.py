"""Long questions have threads of their own, and end where nobody waits for what they find."""

import asyncio
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collect.feedback import Opinion, Said, record_opinions
from collect.store import LONG_READERS, Cursor, Store, open_store
from nightschool.errors import NightschoolError, Unavailable
from nightschool.records import Vote

ENDLESS = "select count(*) from range(1_000_000_000) as a, range(1_000_000) as b where a.range + b.range < 0"
SOON_S = 20
"""Hours less than the question takes, on any machine."""


class Endless:
    """A question that only an interrupt ends; `begun` is set once it is asked."""

    def __init__(self) -> None:
        self.begun = threading.Event()

    def __call__(self, cursor: Cursor) -> Any:
        self.begun.set()
        return cursor.execute(ENDLESS).fetchall()


class InPieces(Endless):
    """The same in many statements, each of which is soon over."""

    def __call__(self, cursor: Cursor) -> Any:
        self.begun.set()
        while True:
            cursor.execute("select count(*) from range(1_000_000)").fetchall()


def one(cursor: Cursor) -> Any:
    return cursor.execute("select 1").fetchone()


async def begin(store: Store, question: Endless) -> asyncio.Task[Any]:
    asking = asyncio.create_task(store.read_long(question))
    await asyncio.to_thread(question.begun.wait, SOON_S)
    return asking


async def test_votes_wait_for_no_long_question(store: Store, add_turn: Any) -> None:
    _, _, said = await add_turn("Where?", "Here.")
    asking = [await begin(store, Endless()) for _ in range(LONG_READERS)]
    waiting = asyncio.create_task(store.read_long(one))
    async with asyncio.timeout(SOON_S):
        vote = Said(said.message_id, "browser:ada", Opinion(Vote.UP), datetime.now(UTC))
        assert (await store.write_row(record_opinions, vote)).is_new
        assert await store.read(one) == (1,)
        assert not waiting.done(), "it has its turn when one of them is over"
        asking[0].cancel()
        assert await waiting == (1,)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)


@pytest.mark.parametrize("kind", [Endless, InPieces])
async def test_a_question_whose_asker_left_is_ended(store: Store, kind: type[Endless]) -> None:
    asking = [await begin(store, kind()) for _ in range(LONG_READERS)]
    for task in asking:
        task.cancel()
    async with asyncio.timeout(SOON_S):
        assert await asyncio.gather(*(store.read_long(one) for _ in range(LONG_READERS))) == [(1,)] * LONG_READERS


async def test_a_question_beyond_its_deadline_is_ended_and_says_what_to_do(store: Store) -> None:
    async with asyncio.timeout(SOON_S):
        with pytest.raises(Unavailable, match=r"longer than 0\.05 s and was ended\. Ask for less"):
            await store.read_long(Endless(), deadline_s=0.05)
        assert await store.read_long(one) == (1,)


async def test_one_that_waits_for_its_turn_is_never_asked_once_its_asker_left(store: Store) -> None:
    asking, late = [await begin(store, Endless()) for _ in range(LONG_READERS)], Endless()
    waiting = asyncio.create_task(store.read_long(late))
    await asyncio.sleep(0)
    for task in (waiting, *asking):
        task.cancel()
    async with asyncio.timeout(SOON_S):
        await store.read_long(one)
    assert not late.begun.is_set()


async def test_a_record_that_closes_waits_for_no_long_question(tmp_path: Path, blank_record: Path) -> None:
    async with asyncio.timeout(SOON_S):
        async with open_store(blank_record, temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
            asking = await begin(store, Endless())
        with pytest.raises(NightschoolError, match="was ended"):
            await asking
