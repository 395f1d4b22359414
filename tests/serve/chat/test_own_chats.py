"""What people do with their own chats, and that nobody does it with another's."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest

from collect.chat_settings import ChatSettings, chat_settings
from nightschool.errors import Busy, NotFound
from serve.chat.forgetting import Forgetting
from serve.chat.own_chats import MAX_TITLE_CHARS, OwnChats
from serve.chat.views import Place
from serve.parts import Parts

from .test_chat_handlers import ask, handlers_of

ANNA = Place("browser:anna", "support")


async def test_a_chat_is_named_pinned_and_closed_to_learning(parts: Parts) -> None:
    handlers, own = handlers_of(parts), OwnChats(parts.turns, parts.store, parts.masking)
    place = await ask(handlers, ANNA, "Where is my parcel?")
    await own.rename(place, "  My \n parcel " + "x" * 200)
    await own.pin(place, is_pinned=True)
    await own.close_to_learning(place, is_private=True)
    lists = await handlers.lists(place)
    [summary] = lists.conversations
    assert summary.title == ("My parcel " + "x" * 200)[:MAX_TITLE_CHARS]
    assert lists.settings == ChatSettings(summary.title, is_pinned=True, is_private=True)
    await own.rename(place, "   ")
    [summary] = (await handlers.lists(place)).conversations
    assert summary.title == "Where is my parcel?"


async def test_nobody_sets_anothers_chat(parts: Parts) -> None:
    handlers, own = handlers_of(parts), OwnChats(parts.turns, parts.store, parts.masking)
    place = await ask(handlers, ANNA, "Where is my parcel?")
    stranger = replace(place, owner="browser:ben")
    tries: list[Callable[[Place], Awaitable[ChatSettings]]] = [
        partial(own.rename, title="mine"),
        partial(own.pin, is_pinned=True),
        partial(own.close_to_learning, is_private=True),
    ]
    for attempt in tries:
        with pytest.raises(NotFound):
            await attempt(stranger)
    assert (await handlers.lists(stranger)).settings == (await handlers.lists(place)).settings == ChatSettings()


async def test_a_chat_may_be_closed_to_learning_before_its_first_word(parts: Parts) -> None:
    async with aclosing(handlers_of(parts).ask(ANNA, "Between us", is_private=True)) as views:
        name = (await anext(views)).conversation_id
        settings = await parts.store.read(partial(chat_settings, conversation_id=name))
    assert settings.is_private


async def test_all_chats_of_a_browser_are_forgotten_and_nobody_elses(parts: Parts) -> None:
    handlers, forgetting = handlers_of(parts), Forgetting(parts.turns, parts.eraser)
    place = await ask(handlers, ANNA, "one")
    await ask(handlers, ANNA, "two")
    other = await ask(handlers, replace(ANNA, owner="browser:ben"), "three")
    await forgetting.forget_all(place)
    assert (await handlers.lists(place)).conversations == ()
    assert (await handlers.open(other)).lines


async def test_nothing_is_deleted_while_an_answer_is_written_that_would_bring_it_back(parts: Parts) -> None:
    handlers = handlers_of(parts)
    place = await ask(handlers, ANNA, "one")
    handlers.check_at_rest(place)
    async with aclosing(handlers.ask(place, "two")) as views:
        await anext(views)
        with pytest.raises(Busy):
            handlers.check_at_rest(place)
        handlers.check_at_rest(replace(place, owner="browser:ben"))
    handlers.check_at_rest(place)
