"""A question that its browser names is taken once."""

from contextlib import aclosing
from dataclasses import replace

import pytest

from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.records import new_id
from serve.chat.handlers import ChatHandlers
from serve.chat.views import ChatView, Place
from serve.parts import Parts

from .test_chat_handlers import ANNA, handlers_of


@pytest.fixture
def handlers(parts: Parts) -> ChatHandlers:
    return handlers_of(parts)


async def ask(handlers: ChatHandlers, place: Place, text: str, *, name: str) -> ChatView:
    async with aclosing(handlers.ask(place, text, name=name)) as views:
        return [view async for view in views][-1]


async def test_sent_again_it_is_shown_and_not_taken_again(handlers: ChatHandlers) -> None:
    name = new_id()
    first = await ask(handlers, ANNA, "Where is it?", name=name)
    again = await ask(handlers, ANNA, "Where is it?", name=name)
    assert again.conversation_id == first.conversation_id
    assert [(line.message_id == name, line.text) for line in again.lines] == [
        (True, "Where is it?"),
        (False, "[echo base] Where is it?"),
    ]
    assert len((await handlers.lists(ANNA)).conversations) == 1


async def test_while_it_is_answered_nobody_takes_it(handlers: ChatHandlers) -> None:
    name = new_id()
    async with aclosing(handlers.ask(ANNA, "Where is it?", name=name)) as views:
        await anext(views)
        with pytest.raises(Busy):
            await ask(handlers, ANNA, "Where is it?", name=name)


async def test_whoever_comes_back_finds_it_in_its_conversation_or_is_told_that_it_did_not_get_through(
    handlers: ChatHandlers,
) -> None:
    name = new_id()
    assert await handlers.come_back(ANNA, name) == (await handlers.open(ANNA), False)
    async with aclosing(handlers.ask(ANNA, "Where is it?", name=name)) as views:
        await anext(views)
        await anext(views)
    view, is_through = await handlers.come_back(replace(ANNA, bot=""), name)
    assert is_through
    assert view.lines[0].message_id == name


async def test_a_stranger_learns_nothing_by_a_name_and_takes_nothing_by_it(handlers: ChatHandlers) -> None:
    name, stranger = new_id(), Place("browser:ben", "support")
    await ask(handlers, ANNA, "a secret", name=name)
    view, _ = await handlers.come_back(stranger, name)
    assert view.lines == ()
    with pytest.raises(NotFound):
        await ask(handlers, stranger, "mine", name=name)


async def test_what_is_no_name_is_refused(handlers: ChatHandlers) -> None:
    with pytest.raises(InvalidInput):
        await ask(handlers, ANNA, "Where is it?", name="1 or 1=1")
