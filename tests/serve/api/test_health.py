from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

import duckdb
import httpx
import pytest
from fastapi import FastAPI

from deploy.giving_way import SERVER
from nightschool.echo import EchoEngine
from nightschool.engine import Engine
from nightschool.errors import EngineError, RecordError, Unavailable
from nightschool.records import Adapter, BotName
from serve.api.health import FRESH_S, Readiness
from serve.parts import Parts
from serve.vllm.supervisor import EngineState, EngineStatus
from tune.progress import TrainingProgress

SUPPORT = BotName("support")


class CountingEngine(EchoEngine):
    """Counts how often it was asked for a token; gives none while `is_mute`."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.is_mute = False

    async def check_ready(self) -> None:
        self.asked += 1
        if self.is_mute:
            raise EngineError("does not answer", subject="engine", remedy="Wait.")


@pytest.fixture
def engine() -> Engine:
    return CountingEngine()


async def test_alive_and_ready_need_no_key(anonymous: httpx.AsyncClient) -> None:
    assert (await anonymous.get("/healthz")).status_code == 200
    assert (await anonymous.head("/healthz")).status_code == 200
    usual = {"status": "ready", "engine": "echo", "disk": "ok", "whole_models": {}, "taken_down": []}
    assert (await anonymous.get("/readyz")).json() == usual


async def test_not_ready_while_the_engine_is_not(
    parts: Parts, app_of: Callable[[Parts], FastAPI], caplog: pytest.LogCaptureFixture
) -> None:
    for state in (EngineState.STARTING, EngineState.DOWN):
        app = app_of(replace(parts, engine_status=partial(EngineStatus, state, "a line of the log")))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nightschool") as client:
            reply = await client.get("/readyz")
            assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
            assert state in reply.json()["error"]["message"]
            assert "log" not in reply.text
            assert (await client.get("/healthz")).status_code == 200
            assert "nightschool_engine_ready 0.0" in (await client.get("/metrics")).text
    assert "readyz" not in caplog.text


async def test_a_whole_model_whose_engine_is_down_is_named_and_takes_nobody_along(
    parts: Parts, app_of: Callable[[Parts], FastAPI]
) -> None:
    up, down = EngineStatus(EngineState.READY), EngineStatus(EngineState.DOWN, "a line of the log")
    whole: dict[str, EngineStatus] = {"support@3": down, "docs@1": up}
    app = app_of(replace(parts, engine_status=lambda: EngineStatus(EngineState.READY, whole_models=dict(whole))))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://nightschool") as client:
        reply = await client.get("/readyz")
        assert (reply.status_code, reply.json()["status"]) == (200, "degraded")
        assert reply.json()["whole_models"] == {"support@3": "down", "docs@1": "ready"}
        text = (await client.get("/metrics")).text
        assert 'nightschool_whole_model_ready{bot="support",version="3"} 0.0' in text
        assert 'nightschool_whole_model_ready{bot="docs",version="1"} 1.0' in text
        assert "nightschool_engine_ready 1.0" in text
        del whole["support@3"]
        assert (await client.get("/readyz")).json()["status"] == "ready"
        assert 'bot="support",version="3"' not in (await client.get("/metrics")).text


async def test_a_whole_model_that_the_server_took_down_is_named_until_somebody_sees_to_it(
    parts: Parts, anonymous: httpx.AsyncClient, register: Callable[..., Awaitable[Adapter]]
) -> None:
    await register("support", version=1)
    moving = partial(parts.rollout.promote, SUPPORT, version=1, actor="ada", reason="a drill")
    await moving()
    await parts.rollout.rollback(SUPPORT, actor=SERVER, reason="its engine did not start")
    reply = await anonymous.get("/readyz")
    assert (reply.status_code, reply.json()["status"], reply.json()["taken_down"]) == (200, "degraded", ["support@1"])
    await moving()
    assert (await anonymous.get("/readyz")).json()["status"] == "ready"
    await parts.rollout.rollback(SUPPORT, actor=SERVER, reason="its engine did not start")
    assert (await anonymous.get("/readyz")).json()["status"] == "degraded"
    await parts.rollout.release(SUPPORT, actor="ada", reason="it is gone for good")
    assert (await anonymous.get("/readyz")).json()["taken_down"] == []
    await moving()
    await parts.rollout.rollback(SUPPORT, actor="ada", reason="a drill")
    assert (await anonymous.get("/readyz")).json()["taken_down"] == []


async def test_one_proof_serves_many_probes_for_a_few_seconds() -> None:
    now, state = [100.0], [EngineState.READY]
    engine = CountingEngine()
    readiness = Readiness(engine, lambda: EngineStatus(state[0]), clock=lambda: now[0])
    for _ in range(5):
        await readiness.check()
    assert engine.asked == 1
    now[0] += FRESH_S + 0.1
    engine.is_mute = True
    for _ in range(2):
        with pytest.raises(Unavailable, match="does not answer"):
            await readiness.check()
    engine.is_mute = False
    await readiness.check()
    # An engine that was down proves itself anew.
    state[0] = EngineState.DOWN
    with pytest.raises(Unavailable, match="is down"):
        await readiness.check()
    state[0], engine.is_mute = EngineState.READY, True
    with pytest.raises(Unavailable):
        await readiness.check()


async def test_metrics_count_answers_and_votes_by_bot_and_version(
    client: httpx.AsyncClient, anonymous: httpx.AsyncClient
) -> None:
    body = {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
    completion_id = (await client.post("/v1/chat/completions", json=body)).json()["id"]
    await client.post("/v1/feedback", json={"completion_id": completion_id, "vote": "up"})
    reply = await anonymous.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    assert 'nightschool_answers_total{bot="support",finish="stop",version="base"} 1.0' in reply.text
    assert 'nightschool_votes_total{bot="support",vote="up"} 1.0' in reply.text
    assert "nightschool_engine_ready 1.0" in reply.text


async def test_not_ready_while_the_server_stops(parts: Parts, anonymous: httpx.AsyncClient) -> None:
    await parts.turns.stop(grace_s=0)
    reply = await anonymous.get("/readyz")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")
    assert (await anonymous.get("/healthz")).status_code == 200


async def test_not_ready_with_a_record_that_is_closed(parts: Parts, anonymous: httpx.AsyncClient) -> None:
    def fill_the_disk(_: object) -> None:
        raise duckdb.FatalException("No space left on device")

    with pytest.raises(RecordError):
        await parts.store.write(fill_the_disk)
    reply = await anonymous.get("/readyz")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "unavailable")


async def test_metrics_tell_of_a_training_while_it_lasts(parts: Parts, anonymous: httpx.AsyncClient) -> None:
    bot, board = BotName("support"), parts.nights.board
    assert "nightschool_training_loss{" not in (await anonymous.get("/metrics")).text
    with board.training(bot):
        board.show(bot, TrainingProgress("sft", 3, 40, 1.25, 2e-4, 512.0, 6.0, 74.0, memory_mb=1_500.0))
        text = (await anonymous.get("/metrics")).text
        for figure, value in (
            ("step", 3.0), ("steps", 40.0), ("loss", 1.25), ("learning_rate", 0.0002), ("tokens_per_second", 512.0),
            ("left_seconds", 74.0), ("memory_bytes", "1.5e+09"),
        ):  # fmt: skip
            assert f'nightschool_training_{figure}{{bot="support",phase="sft"}} {value}' in text
        assert "nightschool_training_rewards_margin{" not in text
        board.show(
            bot, TrainingProgress("dpo", 1, 9, 0.7, 5e-6, 99.0, 80.0, 9.0, rewards_margin=-0.5, rewards_accuracy=0.25)
        )
        text = (await anonymous.get("/metrics")).text
        assert 'phase="sft"' not in text
        for figure, value in (("rewards_margin", -0.5), ("rewards_accuracy_ratio", 0.25)):
            assert f'nightschool_training_{figure}{{bot="support",phase="dpo"}} {value}' in text
        assert "nightschool_training_reward_ratio{" not in text
        board.show(bot, TrainingProgress("grpo", 1, 9, 0.1, 1e-6, 99.0, 80.0, 9.0, reward=0.625))
        text = (await anonymous.get("/metrics")).text
        assert 'nightschool_training_reward_ratio{bot="support",phase="grpo"} 0.625' in text
    assert "nightschool_training_loss{" not in (await anonymous.get("/metrics")).text
