"""`nightschool jobs` and `adopt`: who waits for the trainer, and a model that a bot takes over."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import pytest

from collect import registry
from nightschool.records import BotName, Stage
from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]
ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There, on its way."}]}


async def order_job(client: httpx.AsyncClient) -> str:
    content = (json.dumps(ROW) + "\n").encode() * 20
    sent = await client.post("/v1/files", files={"file": ("a.jsonl", content)}, data={"purpose": "fine-tune"})
    made = await client.post("/v1/fine_tuning/jobs", json={"model": "base", "training_file": sent.json()["id"]})
    return str(made.json()["id"])


async def until(client: httpx.AsyncClient, job_id: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            job: dict[str, Any] = (await client.get(f"/v1/fine_tuning/jobs/{job_id}")).json()
            if job["status"] == state:
                return job
            await asyncio.sleep(0.05)


async def test_the_queue_shows_who_waits_for_whom(
    nightschool: Nightschool, client: httpx.AsyncClient, parts: Parts
) -> None:
    assert (await nightschool("jobs", "--json")).json == []
    parts.home.jobs.mkdir()
    (parts.home.jobs / "hold").touch()
    first, second, third = [await order_job(client) for _ in range(3)]
    await until(client, first, "running")
    await until(client, second, "queued")
    await until(client, third, "queued")
    await client.post(f"/v1/fine_tuning/jobs/{third}/pause")
    async with asyncio.TaskGroup() as tasks:
        night = tasks.create_task(take_turn(parts))
        await asyncio.sleep(0)
        rows = (await nightschool("jobs", "--json")).json
        night.cancel()
    assert [(row["place"], row["kind"], row["name"], row["state"]) for row in rows] == [
        (1, "job", first, "running"),
        (2, "night", "support", "queued"),
        (3, "job", second, "queued"),
        (None, "job", third, "paused"),
    ]
    assert [row["waits_for"] for row in rows] == [None, *[f"ft-{first.removeprefix('ftjob-')}"] * 2, None]
    assert rows[0]["owner"] == "key:reader"
    assert second in (await nightschool("jobs")).out


async def test_when_each_of_those_that_wait_begins_is_estimated(
    nightschool: Nightschool, client: httpx.AsyncClient, parts: Parts
) -> None:
    parts.home.jobs.mkdir()
    (parts.home.jobs / "hold").touch()
    ids = [await order_job(client) for _ in range(4)]
    await until(client, ids[0], "running")
    for waiting in ids[1:]:
        await until(client, waiting, "queued")
    async with asyncio.timeout(20):
        while not parts.nights.board.shown:
            await asyncio.sleep(0.05)
    first = next(iter(parts.nights.board.shown.values()))
    size = (await client.get("/v1/files")).json()["data"][0]["nightschool"]["tokens"]
    starts = [row["starts_at"] for row in (await nightschool("jobs", "--json")).json]
    assert starts[0] is None
    begins = [datetime.fromisoformat(start) for start in starts[1:]]
    lengths = [(later - earlier).total_seconds() for earlier, later in pairwise(begins)]
    assert lengths == [pytest.approx(3 * size / first.tokens_per_s, rel=0.01)] * 2
    # Of a file that is gone nobody knows how long it takes, nor when those behind it begin.
    file = (await client.get(f"/v1/fine_tuning/jobs/{ids[2]}")).json()["training_file"]
    await client.delete(f"/v1/files/{file}")
    known = [row["starts_at"] is not None for row in (await nightschool("jobs", "--json")).json]
    assert known == [False, True, True, False]


async def take_turn(parts: Parts) -> None:
    async with parts.nights.queue.turn(BotName("support")):
        pass


async def test_a_model_becomes_a_bots_candidate(
    nightschool: Nightschool, client: httpx.AsyncClient, parts: Parts
) -> None:
    first, second = [await order_job(client) for _ in range(2)]
    name, newer = [(await until(client, job_id, "succeeded"))["fine_tuned_model"] for job_id in (first, second)]
    without = await nightschool("adopt", name, "--bot", "support", "--reason", " ")
    assert (without.code, "needs a reason" in without.err) == (2, True)
    done = await nightschool("adopt", name, "--bot", "support", "--reason", "finance asked", "--json")
    assert done.json == {"bot": "support", "candidate": "support@1", "stage": "candidate", "model": name}
    again = await nightschool("adopt", name, "--bot", "support", "--reason", "twice")
    assert (again.code, "same weights" in again.err) == (5, True)
    assert (await nightschool("adopt", "ft:base:x::none", "--bot", "support", "--reason", "r")).code == 3
    assert (await nightschool("adopt", name, "--bot", "nobody", "--reason", "r")).code == 3
    assert (await nightschool("adopt", newer, "--bot", "support", "--reason", "newer")).code == 0
    found = await parts.store.read(partial(registry.adapters, bot=BotName("support")))
    assert {adapter.version: adapter.stage for adapter in found} == {1: Stage.RETIRED, 2: Stage.CANDIDATE}
    # What the model's owner deletes is the bot's all the same, and answers nobody until it is promoted.
    assert (await client.delete(f"/v1/models/{newer}")).json()["deleted"]
    assert await who_answers(client) == "support@base"
    assert (await nightschool("promote", "--bot", "support", "--reason", "it is better")).code == 0
    assert await who_answers(client) == "support@2"


async def test_a_user_sees_neither(client: httpx.AsyncClient) -> None:
    assert (await client.get("/ops/jobs")).status_code == 403
    assert (await client.post("/ops/adopt", json={"model": "m", "bot": "support"})).status_code == 403


async def who_answers(client: httpx.AsyncClient) -> str:
    body = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
    return (await client.post("/v1/chat/completions", json=body)).headers["x-nightschool-version"]
