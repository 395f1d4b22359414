"""A move with a pause says so in its question, and is made by its answer."""

from functools import partial

import pytest

from nightschool.errors import NeedsPause
from nightschool.records import BotName
from serve.console.handlers import ConsoleHandlers
from serve.console.moving import AskedMove, draw_question
from serve.parts import Parts

from ...deploy.test_seat import register
from ...fake_seat import FakeSeat

SUPPORT = BotName("support")


@pytest.fixture
def seat() -> FakeSeat:
    return FakeSeat()


async def test_one_that_answers_alone_goes_live_and_back_with_the_pause_that_was_told(
    parts: Parts, handlers: ConsoleHandlers, seat: FakeSeat
) -> None:
    await register(parts.store, parts.home, 1, alone=True)
    told = await handlers.pause_of("promote", "support", version=1)
    asked = AskedMove(intent="promote", bot=SUPPORT, version=1, live="support@base", reason="better", pause=told)
    assert "<strong>With a pause:</strong> support@1 answers alone: the engine is stopped" in draw_question(asked)
    promote = partial(handlers.promote, "support", version=1, reason="better", while_live="support@base", actor="ada")
    with pytest.raises(NeedsPause):
        await promote()
    assert (await promote(may_pause=bool(told)), seat.given) == ("support@1", ["support@1"])
    back = await handlers.pause_of("rollback", "support", version=None)
    assert "started again with the base model; nobody is answered for about 47 s" in back
    rollback = partial(handlers.rollback, "support", version=None, reason="worse", while_live="support@1", actor="ada")
    assert (await rollback(may_pause=bool(back)), seat.given[-1]) == ("support@base", "base")


async def test_a_move_that_nobody_waits_for_tells_of_no_pause(parts: Parts, handlers: ConsoleHandlers) -> None:
    await register(parts.store, parts.home, 1)
    assert await handlers.pause_of("promote", "support", version=1) == ""
    await handlers.promote("support", version=1, reason="better", while_live="support@base", actor="ada")
    assert await handlers.pause_of("rollback", "support", version=None) == ""
    asked = AskedMove(intent="rollback", bot=SUPPORT, version=None, live="support@1", reason="worse", pause="")
    assert "pause" not in draw_question(asked)
