"""`nightschool quarantine`: what nights stopped is seen and let in, and the audit says by whom."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

from collect.quarantine import Stopped, keep_stopped
from nightschool.records import BotName, Vote, utc_now
from serve.parts import Parts
from serve.votes import Opinion

Nightschool = Callable[..., Awaitable[Any]]
EVE = "browser:eve"


async def test_a_stopped_vote_is_listed_and_let_count(nightschool: Nightschool, parts: Parts) -> None:
    assert "nothing is stopped" in (await nightschool("quarantine")).err
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner=EVE, conversation_id=None, text="Refund?")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        async for _ in deltas:
            pass
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN, ideal_answer="Never."), owner=EVE, address="84.1.2.3")
    stopped = [Stopped(turn.answer_id, EVE, "it is one of many")]
    await parts.store.write(partial(keep_stopped, bot=BotName("support"), stopped=stopped, at=utc_now()))
    [row] = (await nightschool("quarantine", "--json")).json
    assert (row["voter"], row["vote"], row["proposal"], row["reason"]) == (EVE, "down", "Never.", "it is one of many")
    assert "84.1.2.3" not in str(await parts.store.read(lambda c: c.execute("from feedback").fetchall()))
    assert EVE in (await nightschool("quarantine")).out
    assert (await nightschool("quarantine", "--release", EVE)).code == 2
    assert (await nightschool("quarantine", "--message", "m")).code == 2
    done = await nightschool("quarantine", "--release", EVE, "--message", turn.answer_id, "--reason", "a colleague")
    assert (done.code, done.out) == (0, "1 vote counts from the next build on\n")
    assert (await nightschool("quarantine", "--json")).json == []
    assert (await nightschool("quarantine", "--release", EVE, "--reason", "again")).code == 3
    assert "let a stopped vote count" in (await nightschool("events")).out
    assert (await nightschool("quarantine", "--release", EVE, "--keep", EVE, "--reason", "both")).code == 2
    kept = await nightschool("quarantine", "--keep", EVE, "--message", turn.answer_id, "--reason", "no colleague")
    assert (kept.code, kept.out) == (0, "1 vote is kept out\n")
    [row] = (await nightschool("quarantine", "--state", "kept", "--json")).json
    assert (row["state"], row["reason"], row["voter"]) == ("kept", "no colleague", EVE)
    assert "kept a stopped vote out" in (await nightschool("events")).out
