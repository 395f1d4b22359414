from nightschool.records import BotName
from serve.console.draw_status import draw_status
from serve.parts import Parts
from serve.status import read_status


async def test_the_trainers_queue_has_a_card_while_somebody_is_in_it(parts: Parts) -> None:
    assert "<h2>Trainer</h2>" not in draw_status(await read_status(parts))
    async with parts.nights.queue.turn(BotName("support")):
        drawn = draw_status(await read_status(parts))
    assert "<h2>Trainer</h2>" in drawn
    assert "night of support: running" in drawn
