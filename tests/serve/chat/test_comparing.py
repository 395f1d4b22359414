"""Which two answers may be compared after a retry, and by whom."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import NotAllowed, NotFound
from nightschool.records import BotName, ChatMessage, Choice
from serve.chat.compare import draw_compared
from serve.chat.comparing import Compared, Comparing, may_be_compared
from serve.chat.handlers import ChatHandlers
from serve.chat.views import Place
from serve.pace import Pace
from serve.parts import Parts
from serve.words.english import ENGLISH

from ...compared import count_preferences
from .test_chat_handlers import ask, handlers_of, stand

ANNA = Place("browser:anna", "support")


@pytest.fixture
def bots_folder(bots_folder: Path) -> Path:
    """The reviewer asks nobody."""
    with (bots_folder / "reviewer.toml").open("a") as order:
        order.write("\n[feedback]\ncomparisons = false\n")
    return bots_folder


@pytest.fixture
def comparing(parts: Parts) -> Comparing:
    return Comparing(parts.store, pace=Pace(5))


async def retried(handlers: ChatHandlers, monkeypatch: pytest.MonkeyPatch, place: Place) -> tuple[Place, str]:
    """Where the browser stands after a retry that said something else, and the answer of before."""
    place = await ask(handlers, place, "Where is my parcel?")
    before = place.shown[-1]
    stream = EchoEngine.stream

    def other(self: EchoEngine, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        asked = ChatMessage(role="user", content="Something else")
        return stream(self, replace(request, messages=(*request.messages[:-1], asked)))

    monkeypatch.setattr(EchoEngine, "stream", other)
    async with aclosing(handlers.retry(place)) as views:
        async for _ in views:
            pass
    return await stand(handlers, place), before


async def test_the_new_answer_is_compared_with_the_one_in_place_of_which_it_was_asked_for(
    parts: Parts, comparing: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = handlers_of(parts)
    place, before = await retried(handlers, monkeypatch, ANNA)
    view = await handlers.open(place)
    found = await comparing.look(view, before)
    assert found is not None
    assert (found.older.message_id, found.newer.message_id) == (before, place.shown[-1])
    assert await comparing.look(view, place.shown[-1]) is None
    await comparing.choose(place, view, before, Choice.LEFT)
    counts = await parts.store.read(lambda cursor: count_preferences(cursor, bot=BotName("support")))
    assert (counts.left, counts.older) == (1, int(found.is_older_left))


async def test_sides_are_drawn_as_a_coin_falls_and_stay_so_for_the_same_two(
    parts: Parts, comparing: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = handlers_of(parts)
    place, before = await retried(handlers, monkeypatch, ANNA)
    found = await comparing.look(await handlers.open(place), before)
    assert found is not None
    older = replace(found.older, message_id="older")
    pairs = [Compared(older, replace(found.newer, message_id=f"m{number}")) for number in range(400)]
    drawn = [pair.is_older_left for pair in pairs]
    assert 160 < sum(drawn) < 240
    assert found.sides[0] is (found.older if found.is_older_left else found.newer)
    hostile = Compared(replace(found.older, content="<script>x</script> ${y} {{z}}"), found.newer)
    shown = draw_compared(hostile, ENGLISH)
    assert "<script>" not in shown
    assert "$" not in shown
    assert "{" not in shown


async def test_blanks_alone_are_no_answer(parts: Parts, comparing: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = handlers_of(parts)
    place, before = await retried(handlers, monkeypatch, ANNA)
    found = await comparing.look(await handlers.open(place), before)
    assert found is not None
    assert may_be_compared(found.older, found.newer)
    assert not may_be_compared(replace(found.older, content=" \n\t"), found.newer)


async def test_nobody_compares_anothers_answers(
    parts: Parts, comparing: Comparing, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers = handlers_of(parts)
    place, before = await retried(handlers, monkeypatch, ANNA)
    stranger = replace(place, owner="browser:ben")
    with pytest.raises(NotFound):
        await comparing.choose(stranger, await handlers.open(stranger), before, Choice.LEFT)


async def test_a_bot_may_ask_nobody(parts: Parts, comparing: Comparing, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = handlers_of(parts)
    place, before = await retried(handlers, monkeypatch, replace(ANNA, bot="reviewer"))
    view = await handlers.open(place)
    assert await comparing.look(view, before) is None
    with pytest.raises(NotAllowed):
        await comparing.choose(place, view, before, Choice.LEFT)
