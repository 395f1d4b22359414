"""A whole server whose engine is changed: with its record, its proofs and a process that stands in for vLLM."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from collect import events, registry
from nightschool.errors import EngineError, Unavailable
from nightschool.files import publish, write_atomic
from nightschool.prompt import Template
from nightschool.records import Adapter, BotName, Event, Stage, new_id, utc_now
from nightschool.settings import EngineSettings, Settings
from serve.app import build_app, open_parts
from serve.parts import Parts
from serve.secrets import OpenedSecrets
from serve.status import read_status
from serve.vllm import supervisor
from serve.vllm.supervisor import EngineState

from ..fake_vllm import install

SUPPORT = BotName("support")
Open = Callable[[], AbstractAsyncContextManager[Parts]]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base").mkdir()
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "base" / name).write_text("{}")
    return tmp_path / "base"


@pytest.fixture
def server(
    settings: Settings, secrets: OpenedSecrets, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Open:
    install(tmp_path / "python")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    ours = settings.model_copy(update={"engine": EngineSettings(model=str(base))})
    ours.paths.create()
    opening = partial(open_parts, ours, base_model=str(base), template=Template(), secrets=secrets.secrets)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Parts]:
        async with opening() as parts:
            await until_ready(parts)
            yield parts

    return opened


async def until_ready(parts: Parts) -> None:
    async with asyncio.timeout(60):
        while parts.engine_status().state is not EngineState.READY:
            await asyncio.sleep(0.02)


async def add(parts: Parts, version: int, *, weights: str = "sound", logprob: float = -2.0) -> None:
    """As `adapters add --as alone` does; `logprob` is that of each token under it, by its proof."""
    folder = parts.home.root / f"adapters/support/v{version}"
    folder.mkdir(parents=True)
    for name, content in {"config.json": "{}", "alone": "", "model.safetensors": weights}.items():
        (folder / name).write_text(content)
    proof = {"token_ids": list(range(40)), "base_logprobs": [-1.0] * 39, "adapter_logprobs": [logprob] * 39}
    made = publish(folder, kind="model")
    write_atomic(parts.home.proof(SUPPORT, made.content_hash), json.dumps({"texts": [proof]}))
    where = str(folder.relative_to(parts.home.root))
    adapter = Adapter(SUPPORT, version, made.content_hash, where, Stage.CANDIDATE, "cycle", "", utc_now())
    event = Event(new_id(), utc_now(), SUPPORT, "test", "added", str(adapter.name), "")
    await parts.store.write(partial(registry.register_adapter, adapter=adapter, event=event))


async def ask(parts: Parts, bot: str = "support") -> str:
    turn = await parts.turns.begin_chat(parts.shelf.find(bot), owner="browser:1", conversation_id=None, text="Hello?")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        return "".join([delta.text async for delta in deltas])


async def test_it_goes_live_outlives_the_server_and_comes_back(server: Open) -> None:
    async with server() as parts:
        await add(parts, 1)
        assert await ask(parts) == "[base]"
        await parts.rollout.promote(SUPPORT, may_pause=True, actor="ada", reason="a drill")
        await until_ready(parts)
        assert (await ask(parts), parts.engine_status().alone) == ("[v1]", "support@1")
        with pytest.raises(Unavailable, match="base: has no engine while support@1 answers alone"):
            await ask(parts, "reviewer")
    async with server() as parts:
        status = parts.engine_status()
        assert (await ask(parts), status.alone, status.starts) == ("[v1]", "support@1", 1)
        await parts.rollout.rollback(SUPPORT, may_pause=True, actor="ada", reason="a drill")
        await until_ready(parts)
        assert [await ask(parts, bot) for bot in ("support", "reviewer")] == ["[base]", "[base]"]


async def test_one_that_does_not_start_again_with_the_server_gives_way_to_the_base_model(
    server: Open, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PAUSES_S", (0.01,))
    async with server() as parts:
        await add(parts, 1)
        await parts.rollout.promote(SUPPORT, may_pause=True, actor="ada", reason="a drill")
    weights = settings.paths.root / "adapters/support/v1/model.safetensors"
    weights.write_text("broken")
    async with server() as parts:
        assert [await ask(parts, bot) for bot in ("support", "reviewer")] == ["[base]", "[base]"]
        async with httpx.AsyncClient(transport=httpx.ASGITransport(build_app(parts)), base_url="http://host") as client:
            ready = (await client.get("/readyz")).json()
        assert (ready["status"], ready["taken_down"]) == ("degraded", ["support@1"])
        [bot] = [bot for bot in (await read_status(parts)).bots if bot.bot == SUPPORT]
        assert bot.held
        assert "its engine did not start" in bot.held.reason
    weights.write_text("sound")
    async with server() as parts:
        assert (await ask(parts), parts.engine_status().starts) == ("[base]", 1)
        await parts.rollout.promote(SUPPORT, version=1, may_pause=True, actor="ada", reason="mended")
        await until_ready(parts)
        assert await ask(parts) == "[v1]"


async def test_one_that_does_not_start_or_is_not_proved_leaves_who_answered(server: Open) -> None:
    async with server() as parts:
        await add(parts, 1, weights="broken")
        await add(parts, 2, logprob=-3.0)
        for version, fault in ((1, "its engine did not start"), (2, "are not those of this adapter")):
            with pytest.raises(EngineError, match=fault):
                await parts.rollout.promote(SUPPORT, version=version, may_pause=True, actor="ada", reason="a drill")
            await until_ready(parts)
            assert (await ask(parts), parts.engine_status().alone) == ("[base]", "")
        told = await parts.store.read(partial(events.list_events, bot=SUPPORT))
        assert [event.subject for event in told if event.action == "not-served"] == ["support@2", "support@1"]
