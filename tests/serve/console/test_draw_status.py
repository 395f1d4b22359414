from dataclasses import replace

from nightschool.records import BotName
from serve.console.draw_status import draw_status
from serve.parts import Parts
from serve.status import read_status
from serve.vllm.supervisor import EngineState, EngineStatus


async def test_the_trainers_queue_has_a_card_while_somebody_is_in_it(parts: Parts) -> None:
    assert "<h2>Trainer</h2>" not in draw_status(await read_status(parts))
    async with parts.nights.queue.turn(BotName("support")):
        drawn = draw_status(await read_status(parts))
    assert "<h2>Trainer</h2>" in drawn
    assert "night of support: running" in drawn


async def test_an_engine_of_a_whole_model_is_shown_as_it_stands(parts: Parts) -> None:
    own = EngineStatus(EngineState.DOWN, "exit code -9", starts=2)
    base = EngineStatus(EngineState.READY, whole_models={"support@3": own})
    status = await read_status(replace(parts, engine_status=lambda: base))
    told = status.engine.whole_models["support@3"]
    assert (status.engine.state, told.state, told.detail, told.starts) == ("ready", "down", "exit code -9", 2)
    assert '<dt>support@3</dt><dd><span class="ns-badge' in draw_status(status)
    assert "<dt>Alone</dt>" not in draw_status(status)


async def test_a_held_bot_is_shown_with_the_reason(parts: Parts) -> None:
    assert "<dt>Held</dt>" not in draw_status(await read_status(parts))
    await parts.rollout.hold(BotName("support"), actor="server", reason="its engine did not start <why>")
    drawn = draw_status(await read_status(parts))
    assert "<dt>Held</dt>" in drawn
    assert "by server: its engine did not start &lt;why&gt;" in drawn


async def test_who_has_the_engine_alone_is_shown(parts: Parts) -> None:
    alone = EngineStatus(EngineState.READY, alone="support@3")
    drawn = draw_status(await read_status(replace(parts, engine_status=lambda: alone)))
    assert "<dt>Alone</dt><dd>support@3: no other bot and no other version is answered</dd>" in drawn
