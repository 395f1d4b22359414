"""What the command line's tests do not see: who may ask, and what wrong requests get."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import pytest

from collect import cycles
from deploy.queue import Queue
from nightschool.records import Adapter, BotName, Cycle, CycleState, utc_now
from serve.api.transfer import MAX_BAD_LINES
from serve.parts import Parts

SUPPORT = BotName("support")
Register = Callable[..., Awaitable[Adapter]]

ENDPOINTS = [
    ("GET", "/ops/status"),
    ("GET", "/ops/events"),
    ("GET", "/ops/waiting"),
    ("GET", "/ops/gaps"),
    ("GET", "/ops/report/some-cycle"),
    ("GET", "/ops/evaluation"),
    ("POST", "/ops/evaluations"),
    ("POST", "/ops/import?bot=support"),
    ("GET", "/ops/export?bot=support"),
    ("POST", "/ops/night"),
    ("POST", "/ops/datasets"),
    ("GET", "/ops/prove/support"),
    ("GET", "/ops/cycles"),
    ("GET", "/ops/cycles/some-cycle"),
    ("GET", "/ops/adapters"),
    ("POST", "/ops/promote"),
    ("POST", "/ops/rollback"),
    ("POST", "/ops/hold"),
    ("POST", "/ops/release"),
    ("GET", "/ops/golden/support"),
    ("POST", "/ops/golden"),
    ("DELETE", "/ops/golden/support/x"),
    ("POST", "/ops/keys"),
    ("GET", "/ops/keys"),
    ("DELETE", "/ops/keys/boss"),
]


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
async def test_only_an_operator_comes_in(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient, method: str, path: str
) -> None:
    # The body is no JSON at all: who asks is looked at first.
    unknown = await anonymous.request(method, path, content=b"{")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (401, "invalid_api_key")
    user = await client.request(method, path, content=b"{")
    assert (user.status_code, user.json()["error"]["code"]) == (403, "not_allowed")


async def test_a_stranger_s_body_is_not_read(anonymous: httpx.AsyncClient) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1_000):
            taken += 1
            yield b"x" * 100_000

    assert (await anonymous.post("/ops/import?bot=support", content=endless())).status_code == 401
    assert (await anonymous.post("/ops/night", content=endless())).status_code == 401
    assert taken <= 4


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/ops/night", "{", None),
        ("/ops/night", "{}", "bot"),
        ("/ops/night", '{"bot": "support", "forced": true}', "forced"),
        ("/ops/promote", '{"bot": "support", "version": 0, "reason": "x"}', "version"),
        ("/ops/promote", '{"bot": "support", "version": 99999999999999999999, "reason": "x"}', "version"),
        ("/ops/rollback", '{"bot": ["support"], "reason": "x"}', "bot"),
        ("/ops/rollback", '{"bot": "support"}', "reason"),
        ("/ops/rollback", '{"bot": "support", "version": -1, "reason": "x"}', "version"),
        ("/ops/hold", '{"bot": "support"}', "reason"),
        ("/ops/hold", '{"bot": "support", "version": 1, "reason": "x"}', "version"),
        ("/ops/hold", json.dumps({"bot": "support", "reason": "x" * 2_001}), "reason"),
        ("/ops/release", '{"bot": "support", "reason": ["x"]}', "reason"),
        ("/ops/keys", '{"name": "x", "is_operator": "perhaps"}', "is_operator"),
        ("/ops/keys", json.dumps({"name": "x" * 70_000}), None),
    ],
)
async def test_wrong_bodies_are_refused_with_the_parameter(
    operator: httpx.AsyncClient, register: Register, path: str, body: str, param: str | None
) -> None:
    await register("support", version=1)
    reply = await operator.post(path, content=body)
    assert reply.status_code in {400, 413}, reply.text
    assert reply.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/ops/events?limit=0", 400),
        ("/ops/waiting?limit=0", 400),
        ("/ops/waiting?bot=nobody", 404),
        ("/ops/gaps?limit=0", 400),
        ("/ops/gaps?bot=nobody", 404),
        ("/ops/events?bot=nobody", 404),
        ("/ops/cycles?limit=many", 400),
        ("/ops/cycles?bot=nobody", 404),
        ("/ops/cycles/none", 404),
        ("/ops/adapters?bot=nobody", 404),
        ("/ops/export", 400),
        ("/ops/export?bot=nobody", 404),
        ("/ops/report/..%2f..%2fsecrets.json", 404),
        ("/ops/nothing", 404),
    ],
)
async def test_wrong_questions_get_an_error_in_openai_s_shape(
    operator: httpx.AsyncClient, path: str, status: int
) -> None:
    reply = await operator.get(path)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_purpose_that_is_none_imports_nothing(operator: httpx.AsyncClient) -> None:
    line = json.dumps(
        {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]}
    )
    refused = await operator.post("/ops/import?bot=support&held_out=perhaps", content=line)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "query.held_out")
    assert (await operator.get("/ops/export?bot=support")).text == ""


async def test_bad_lines_without_end_are_counted(operator: httpx.AsyncClient) -> None:
    done = (await operator.post("/ops/import?bot=support", content=b"bad\n" * (MAX_BAD_LINES + 500))).json()
    assert len(done["bad_lines"]) == MAX_BAD_LINES + 1
    assert done["bad_lines"][-1] == {
        "line": MAX_BAD_LINES + 500,
        "reason": "and 500 more bad lines up to this one",
        "text": "",
    }


async def test_an_import_leaves_no_file_behind(operator: httpx.AsyncClient, parts: Parts) -> None:
    before = set(parts.home.temp.iterdir())
    await operator.post("/ops/import?bot=support", content=b"bad\n" * 50_000)
    assert set(parts.home.temp.iterdir()) == before


async def test_the_cycle_can_be_followed_to_its_end(operator: httpx.AsyncClient) -> None:
    begun = (await operator.post("/ops/night", json={"bot": "support"})).json()
    assert (begun["state"], begun["trigger"], begun["bot"]) == ("running", "operator", "support")
    while (cycle := (await operator.get(f"/ops/cycles/{begun['cycle']}")).json())["state"] == "running":
        pass
    assert (cycle["state"], cycle["step"], cycle["verdict"]) == ("done", "finished", "insufficient-data")
    assert [row["cycle"] for row in (await operator.get("/ops/cycles?bot=support")).json()] == [begun["cycle"]]
    assert (await operator.get("/ops/cycles?bot=reviewer")).json() == []


async def test_one_bot_has_one_cycle_at_a_time(operator: httpx.AsyncClient) -> None:
    begun = await operator.post("/ops/night", json={"bot": "support"})
    again = await operator.post("/ops/night", json={"bot": "support"})
    other = await operator.post("/ops/night", json={"bot": "reviewer"})
    assert (begun.status_code, again.status_code, other.status_code) == (200, 409, 200)
    assert again.json()["error"]["code"] == "busy"


async def test_a_hold_is_armed_twice_and_lifted_once(operator: httpx.AsyncClient) -> None:
    for reason in ("first", "second"):
        reply = await operator.post("/ops/hold", json={"bot": "support", "reason": reason})
        assert reply.json() == {"bot": "support", "is_held": True}
    bots = (await operator.get("/ops/status")).json()["bots"]
    assert [bot["held"] and bot["held"]["reason"] for bot in bots if bot["bot"] == "support"] == ["second"]
    body = {"bot": "support", "reason": "done"}
    lifts = await asyncio.gather(*(operator.post("/ops/release", json=body) for _ in range(2)))
    assert sorted(reply.status_code for reply in lifts) == [200, 409]
    assert (await operator.post("/ops/hold", json={"bot": "nobody", "reason": "x"})).status_code == 404


async def test_the_audit_says_who_made_keys_began_nights_and_took_copies(operator: httpx.AsyncClient) -> None:
    await operator.post("/ops/keys", json={"name": "shop"})
    await operator.post("/ops/keys", json={"name": "shop"})  # refused, and no line
    await operator.post("/ops/keys", json={"name": "ci", "is_operator": True})
    for _ in range(2):
        await operator.delete("/ops/keys/shop")
    assert (await operator.get("/ops/export", params={"bot": "support"})).status_code == 200
    cycle = (await operator.post("/ops/night", json={"bot": "reviewer"})).json()["cycle"]
    found = [event for event in (await operator.get("/ops/events")).json() if event["actor"] == "key:boss"]
    assert sorted((event["bot"], event["action"], event["subject"]) for event in found) == [
        ("", "made a key for operators", "key:ci"),
        ("", "made a key for users", "key:shop"),
        ("", "revoked a key", "key:shop"),
        ("reviewer", "began a night", cycle),
        ("support", "exported", "0 conversations"),
    ]


async def test_an_operator_may_lock_itself_out(operator: httpx.AsyncClient) -> None:
    assert (await operator.delete("/ops/keys/boss")).json()["revoked_at"]
    assert (await operator.get("/ops/keys")).status_code == 401


@pytest.mark.parametrize("what", ["queue", "exams"])
async def test_status_says_for_whom_a_night_waits(parts: Parts, operator: httpx.AsyncClient, what: str) -> None:
    night = Cycle("c", SUPPORT, "operator", None, CycleState.RUNNING, "train", 0.0, utc_now())
    await parts.store.write(partial(cycles.start_cycle, cycle=night))
    queue: Queue = getattr(parts.nights, what)

    async def wait() -> None:
        async with queue.turn(SUPPORT):
            pass

    async with queue.turn(BotName("reviewer")):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert await running_step(operator) == "waits for reviewer"
    await waiting
    assert await running_step(operator) == "train"


async def running_step(operator: httpx.AsyncClient) -> str:
    bots = (await operator.get("/ops/status")).json()["bots"]
    step: str = next(bot["running"]["step"] for bot in bots if bot["bot"] == "support")
    return step


async def test_a_dataset_is_built_without_a_night_and_stays(parts: Parts, operator: httpx.AsyncClient) -> None:
    built = [(await operator.post("/ops/datasets", json={"bot": "support"})).json() for _ in range(2)]
    assert built[0] == built[1]
    assert (built[0]["bot"], built[0]["would_train"], built[0]["train_rows"]) == ("support", False, 0)
    assert (parts.home.dataset(SUPPORT, built[0]["hash"]) / "card.md").exists()
    assert (await operator.get("/ops/cycles")).json() == []
    assert (await operator.post("/ops/datasets", json={"bot": "nobody"})).status_code == 404


BEGINNINGS = (b"", b"[", b"{", b'{"messages":', b"\x1f\x8b\x08", b"PK\x03\x04", b"PAR1", b"<html>", b"# a\n",
              b"\xff\xfe", b"question,answer\n",
              b'[{"prompt": "a", "completion": "', b'{"chosen": [], "rejected": [],')  # fmt: skip


async def test_no_body_of_an_import_is_the_servers_fault(operator: httpx.AsyncClient) -> None:
    chance = random.Random(7)
    for number in range(5 * len(BEGINNINGS)):
        body = BEGINNINGS[number % len(BEGINNINGS)] + chance.randbytes(chance.randrange(80))
        reply = await operator.post("/ops/import", params={"bot": "support"}, content=body)
        assert reply.status_code in {200, 400}, (body, reply.text)
        assert reply.json().get("imported", 0) == 0
