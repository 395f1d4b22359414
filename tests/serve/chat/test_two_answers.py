"""Which turns of the chat page are answered twice at once, and what becomes of the two answers."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from collect.conversations import conversation_messages
from collect.side_by_side import duels_in
from nightschool.echo import EchoEngine
from nightschool.engine import ChatRequest, Delta
from nightschool.errors import Busy, EngineError, NotFound
from nightschool.records import BASE, Adapter, BotName, Choice, Finish, Message
from serve.chat.comparing import Comparing
from serve.chat.handlers import ChatHandlers
from serve.chat.markup import draw_line
from serve.chat.own_chats import OwnChats
from serve.chat.two_answers import is_drawn
from serve.chat.views import ChatView, Place
from serve.pace import Pace
from serve.parts import Parts
from serve.turns import Turns
from serve.words.english import ENGLISH

from ...compared import count_preferences
from .test_chat_handlers import ask, handlers_of, stand

ANNA = Place("browser:anna", "support")
BOT = BotName("support")
Register = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def bots_folder(bots_folder: Path) -> Path:
    """The support bot has every turn answered twice that it may, by version 1 and by the base model."""
    for name, extra in (("support", ""), ("reviewer", "comparisons = false\n")):
        with (bots_folder / f"{name}.toml").open("a") as order:
            order.write(f"\n[feedback]\nside_by_side_share = 1\n{extra}")
    return bots_folder


@pytest.fixture
async def handlers(parts: Parts, register: Register) -> ChatHandlers:
    for bot in ("support", "reviewer"):
        await register(bot, version=1)
        await parts.rollout.promote(BotName(bot), version=1, actor="ada", reason="better")
    return handlers_of(parts)


async def recorded(parts: Parts, place: Place) -> list[Message]:
    return await parts.store.read(partial(conversation_messages, conversation_id=place.conversation_id))


def two_of(view: ChatView) -> tuple[str, ...]:
    """Both texts, production's first; of one answer nothing."""
    last = view.lines[-1]
    return (last.text, last.beside.text) if last.beside else ()


async def choose(parts: Parts, handlers: ChatHandlers, place: Place, *, usual: bool) -> None:
    """Find production's answer better, or the other one."""
    view = await handlers.open(place)
    left = usual is not view.lines[-1].is_beside_left
    comparing = Comparing(parts.store, pace=Pace(5))
    await comparing.choose(place, view, "", Choice.LEFT if left else Choice.RIGHT)


async def test_both_come_at_once_and_nothing_tells_who_gave_them(parts: Parts, handlers: ChatHandlers) -> None:
    async with aclosing(handlers.ask(ANNA, "Where is it?")) as views:
        seen = [view async for view in views]
    assert two_of(seen[0]) == ("", "")
    place = await stand(handlers, replace(ANNA, conversation_id=seen[0].conversation_id))
    view = await handlers.open(place)
    assert two_of(view) == ("[echo support@1] Where is it?", "[echo base] Where is it?")
    for line in (seen[0].lines[-1], view.lines[-1]):
        drawn = str(draw_line(line, ENGLISH.line)["content"])
        assert "Answer A" in drawn
        assert "Answer B" in drawn
        # But for the echo engine, whose words name its model.
        assert drawn.count("support@1") == line.text.count("support@1")
        assert "ns-version" not in drawn
        assert "ns-deed" not in drawn
    [question, *answers] = await recorded(parts, place)
    assert {(one.parent_id, one.version, one.finish) for one in answers} == {
        (question.message_id, 1, Finish.STOP),
        (question.message_id, None, Finish.STOP),
    }
    assert {bool(one.adapter_hash) for one in answers} == {True, False}
    assert all(one.completion_tokens for one in answers)
    told = parts.metrics.render().decode()
    assert 'nightschool_answers_total{bot="support",finish="stop",version="1"} 1.0' in told
    assert 'nightschool_answers_total{bot="support",finish="stop",version="base"} 1.0' in told


@pytest.mark.parametrize("usual", [True, False])
async def test_the_talk_goes_on_with_the_chosen_one_and_the_other_stays(
    parts: Parts, handlers: ChatHandlers, *, usual: bool
) -> None:
    place = await ask(handlers, ANNA, "Where is it?")
    await choose(parts, handlers, place, usual=usual)
    place = await stand(handlers, place)
    view = await handlers.open(place)
    kept = view.lines[-1]
    assert kept.version == ("support@1" if usual else "support@base")
    assert (two_of(view), len(kept.siblings)) == ((), 2)
    place = await ask(handlers, place, "And when?")
    [*_, asked, _] = await recorded(parts, place)
    assert asked.parent_id == kept.message_id
    counts = await parts.store.read(partial(count_preferences, bot=BOT))
    assert (counts.older, counts.newer) == (int(usual), int(not usual))


@pytest.mark.parametrize("choice", [Choice.SAME, Choice.BOTH_BAD, None])
async def test_without_a_better_one_the_talk_goes_on_with_productions(
    parts: Parts, handlers: ChatHandlers, choice: Choice | None
) -> None:
    place = await ask(handlers, ANNA, "Where is it?")
    if choice:
        await Comparing(parts.store, pace=Pace(5)).choose(place, await handlers.open(place), "", choice)
        assert (await handlers.open(place)).lines[-1].version == "support@1"
    place = await ask(handlers, place, "And when?")
    view = await handlers.open(place)
    assert [line.version for line in view.lines if line.role == "assistant"] == ["support@1", "support@1"]
    # The word comes too late, and nobody is asked twice in a row.
    assert two_of(view) == ()
    with pytest.raises(NotFound):
        await Comparing(parts.store, pace=Pace(5)).choose(place, view, "", Choice.LEFT)
    assert len(two_of(await handlers.open(await ask(handlers, place, "And where?")))) == 2


async def test_a_second_tab_and_a_reload_show_both_again_and_nothing_is_doubled(
    parts: Parts, handlers: ChatHandlers
) -> None:
    place = await ask(handlers, ANNA, "Where is it?")
    assert two_of(await handlers.open(place)) == two_of(await handlers.open(replace(place, shown=()))) != ()
    await choose(parts, handlers, place, usual=False)
    with pytest.raises(NotFound):
        await choose(parts, handlers, place, usual=True)
    assert (await handlers.open(place)).lines[-1].version == "support@base"
    assert len(await recorded(parts, place)) == 3
    stranger = replace(place, owner="browser:ben")
    assert (await handlers.open(stranger)).lines == ()


async def test_after_a_retry_the_two_are_not_asked_about_any_more(parts: Parts, handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "Where is it?")
    async with aclosing(handlers.retry(place)) as views:
        _ = [view async for view in views]
    view = await handlers.open(place)
    assert (two_of(view), len(view.lines[-1].siblings)) == ((), 3)
    assert len(await recorded(parts, place)) == 4


async def test_who_is_never_asked(parts: Parts, handlers: ChatHandlers) -> None:
    """Who keeps the chat out of training, whose bot asks nobody, and who has spent all answers of the minute."""
    async with aclosing(handlers.ask(ANNA, "Where is it?", is_private=True)) as views:
        assert two_of([view async for view in views][-1]) == ()
    elsewhere = await ask(handlers, replace(ANNA, bot="reviewer"), "Where is it?")
    assert two_of(await handlers.open(elsewhere)) == ()
    place = await ask(handlers, ANNA, "Where is it?")
    await OwnChats(parts.turns, parts.store, parts.masking).close_to_learning(place, is_private=True)
    assert two_of(await handlers.open(place)) == ()
    poor = handlers_of(parts, answers_per_minute=3)
    for name, both in (("one", True), ("two", False)):
        place = await ask(poor, ANNA, name)
        assert bool(two_of(await poor.open(place))) is both


async def test_a_bot_whose_production_is_the_other_one_asks_nobody(parts: Parts) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "Where is it?")
    assert two_of(await handlers.open(place)) == ()
    assert len(await recorded(parts, place)) == 2


def test_turns_are_drawn_by_their_place_and_as_often_as_the_share_says() -> None:
    drawn = [is_drawn(f"talk-{number}", number % 7, share=0.2) for number in range(2_000)]
    assert drawn == [is_drawn(f"talk-{number}", number % 7, share=0.2) for number in range(2_000)]
    assert 340 < sum(drawn) < 460
    assert [is_drawn("talk", 3, share=share) for share in (0, 1)] == [False, True]


class Unequal(EchoEngine):
    """One of the two models has trouble: `fails` in the middle, or `hangs` there; `same` lets both say the same."""

    def __init__(self, model: str, trouble: str) -> None:
        super().__init__()
        self.model = model
        self.trouble = trouble
        self.has_begun = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if self.trouble == "same":
            yield Delta("Here.", Finish.STOP, 3, 1)
            return
        if request.model == self.model:
            yield Delta("It is")
            self.has_begun.set()
            if self.trouble == "hangs":
                await asyncio.Event().wait()
            raise EngineError("boom", subject=request.model, remedy="Ask again.")
        async with aclosing(super().stream(request)) as deltas:
            async for delta in deltas:
                yield delta


def handlers_with(parts: Parts, engine: EchoEngine) -> ChatHandlers:
    """Over the same record and routes."""
    turns = Turns(parts.store, engine, parts.rollout, metrics=parts.metrics)
    return handlers_of(replace(parts, turns=turns))


@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("failing", ["support@1", BASE])
async def test_where_one_of_the_two_fails_the_other_one_stays_and_nothing_is_asked(parts: Parts, failing: str) -> None:
    engine = Unequal(failing, "fails")
    await engine.load_adapter("support@1", Path())
    handlers = handlers_with(parts, engine)
    place = await ask(handlers, ANNA, "Where is it?")
    view = await handlers.open(place)
    assert two_of(view) == ()
    assert view.lines[-1].version == ("support@base" if failing == "support@1" else "support@1")
    assert {message.finish for message in await recorded(parts, place)} == {None, Finish.STOP, Finish.ERROR}
    place = await ask(handlers_of(parts), place, "And when?")
    [*_, asked, _] = await recorded(parts, place)
    assert asked.parent_id == view.lines[-1].message_id


@pytest.mark.usefixtures("handlers")
async def test_where_both_fail_it_is_told_as_ever(parts: Parts) -> None:
    failing = Unequal("support@1", "fails")

    async def fail(request: ChatRequest) -> AsyncGenerator[Delta, None]:
        yield Delta("It")
        raise EngineError("boom", subject=request.model, remedy="Ask again.")

    failing.stream = fail  # type: ignore[method-assign]
    handlers = handlers_with(parts, failing)
    with pytest.raises(EngineError, match="boom"):
        await ask(handlers, ANNA, "Where is it?")
    [summary] = (await handlers.lists(ANNA)).conversations
    view = await handlers.open(replace(ANNA, conversation_id=summary.conversation_id))
    assert (two_of(view), view.lines[-1].finish) == ((), Finish.ERROR)


@pytest.mark.usefixtures("handlers")
async def test_stop_ends_both_and_keeps_what_came(parts: Parts) -> None:
    engine = Unequal(BASE, "hangs")
    await engine.load_adapter("support@1", Path())
    handlers = handlers_with(parts, engine)
    views = handlers.ask(ANNA, "Where is it?")
    place = replace(ANNA, conversation_id=(await anext(views)).conversation_id)
    reading = asyncio.create_task(anext(views))
    await engine.has_begun.wait()
    with pytest.raises(Busy):
        await ask(handlers, place, "hello?")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await views.aclose()
    assert not parts.turns.has_askers()
    view = await handlers.open(place)
    assert two_of(view) == ()
    said = {message.version: message for message in await recorded(parts, place) if message.role == "assistant"}
    assert (said[None].finish, said[None].content) == (Finish.PARTIAL, "It is")
    assert view.lines[-1].version == "support@1"


@pytest.mark.usefixtures("handlers")
async def test_twice_the_same_is_not_asked_about(parts: Parts) -> None:
    handlers = handlers_with(parts, Unequal("", "same"))
    place = await ask(handlers, ANNA, "Where is it?")
    view = await handlers.open(place)
    assert (two_of(view), view.lines[-1].version) == ((), "support@1")
    assert len(await parts.store.read(partial(duels_in, conversation_id=place.conversation_id))) == 1
