"""When the page asks whether a chat solved it, and whose word is taken."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from collect.outcomes import outcome_of
from nightschool.errors import NotAllowed, NotFound, TooManyRequests
from nightschool.records import BotName, Finish
from serve.chat.outcomes import Asked, Outcomes
from serve.chat.views import Place
from serve.pace import Pace
from serve.parts import Parts

from .test_chat_handlers import ask, handlers_of

ANNA = Place("browser:anna", "support")


@pytest.fixture
def bots_folder(bots_folder: Path) -> Path:
    """The reviewer asks nobody."""
    with (bots_folder / "reviewer.toml").open("a") as order:
        order.write("\n[feedback]\noutcomes = false\n")
    return bots_folder


@pytest.fixture
def outcomes(parts: Parts) -> Outcomes:
    return Outcomes(parts.store, pace=Pace(3))


async def test_a_word_is_kept_and_shown_until_the_next_answer(parts: Parts, outcomes: Outcomes) -> None:
    handlers = handlers_of(parts)
    assert await outcomes.look(await handlers.open(ANNA)) == Asked()
    place = await ask(handlers, ANNA, "Where is my parcel?")
    view = await handlers.open(place)
    assert await outcomes.look(view) == Asked(is_asked=True)
    await outcomes.say(place, view, is_resolved=True)
    assert await outcomes.look(view) == Asked(is_asked=True, is_at_once=True, is_resolved=True)
    place = await ask(handlers, place, "And when?")
    assert await outcomes.look(await handlers.open(place)) == Asked(is_asked=True)


@pytest.mark.parametrize(
    ("said", "is_at_once"),
    [
        ("Thank you!", True),
        ("merci", True),
        ("Thanks, and when?", False),
        ("thanks " * 9, False),
        ("no", False),
    ],
)
async def test_thanks_end_a_talk(parts: Parts, outcomes: Outcomes, said: str, is_at_once: bool) -> None:
    handlers = handlers_of(parts)
    view = await handlers.open(await ask(handlers, ANNA, said))
    assert (await outcomes.look(view)).is_at_once == is_at_once


async def test_nobody_speaks_for_another_or_of_an_answer_that_was_stopped(parts: Parts, outcomes: Outcomes) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "Where is my parcel?")
    stranger = replace(place, owner="browser:ben")
    with pytest.raises(NotFound):
        await outcomes.say(stranger, await handlers.open(stranger), is_resolved=False)
    found = partial(outcome_of, conversation_id=place.conversation_id, bot=BotName("support"))
    assert await parts.store.read(found) is None
    view = await handlers.open(place)
    stopped = replace(view, lines=(view.lines[0], replace(view.lines[1], finish=Finish.PARTIAL)))
    assert await outcomes.look(stopped) == Asked()


async def test_a_bot_may_ask_nobody(parts: Parts, outcomes: Outcomes) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, replace(ANNA, bot="reviewer"), "Thanks")
    view = await handlers.open(place)
    assert await outcomes.look(view) == Asked()
    with pytest.raises(NotAllowed):
        await outcomes.say(place, view, is_resolved=True)


async def test_who_changes_their_mind_without_end_is_told_to_wait(parts: Parts, outcomes: Outcomes) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "Where?")
    view = await handlers.open(place)
    for is_resolved in (True, False, True):
        await outcomes.say(place, view, is_resolved=is_resolved)
    with pytest.raises(TooManyRequests):
        await outcomes.say(place, view, is_resolved=False)
