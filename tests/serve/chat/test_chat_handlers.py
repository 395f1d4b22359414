"""The chat page's doings without a browser."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from nightschool.errors import Busy, EngineError, InvalidInput, NotFound, TooManyRequests, Unavailable
from nightschool.records import Adapter, Finish, Vote
from serve.chat.handlers import ChatHandlers, ChatView, Place
from serve.parts import Parts
from serve.vllm.supervisor import EngineState, EngineStatus

ANNA = Place("browser:anna", "support")
Register = Callable[..., Awaitable[Adapter]]


def handlers_of(parts: Parts, *, status: EngineStatus | None = None, answers_per_minute: int = 100) -> ChatHandlers:
    return ChatHandlers(
        turns=parts.turns,
        votes=parts.votes,
        store=parts.store,
        shelf=parts.shelf,
        engine_status=lambda: status or EngineStatus(EngineState.READY),
        answers_per_minute=answers_per_minute,
    )


@pytest.fixture
def handlers(parts: Parts) -> ChatHandlers:
    return handlers_of(parts)


async def ask(handlers: ChatHandlers, place: Place, text: str) -> Place:
    """Ask, wait, and stand where the browser stands then."""
    async with aclosing(handlers.ask(place, text)) as views:
        view = [view async for view in views][-1]
    return await stand(handlers, replace(place, conversation_id=view.conversation_id))


async def stand(handlers: ChatHandlers, place: Place) -> Place:
    view = await handlers.open(place)
    return replace(place, conversation_id=view.conversation_id, shown=tuple(line.message_id for line in view.lines))


async def first_view(handlers: ChatHandlers, place: Place, text: str) -> ChatView:
    """Ask and leave at once."""
    async with aclosing(handlers.ask(place, text)) as views:
        return await anext(views)


async def test_an_answer_grows_and_is_then_read_from_the_record(handlers: ChatHandlers) -> None:
    async with aclosing(handlers.ask(ANNA, "Where is my parcel?")) as views:
        seen = [view async for view in views]
    assert seen[0].is_answering
    assert [line.text for line in seen[0].lines] == ["Where is my parcel?", ""]
    view = await handlers.open(replace(ANNA, conversation_id=seen[0].conversation_id))
    assert [line.text for line in view.lines] == ["Where is my parcel?", "[echo base] Where is my parcel?"]
    assert view.lines[1].version == "support@base"
    assert not view.is_answering


async def test_the_page_names_the_version_that_answered(
    parts: Parts, handlers: ChatHandlers, register: Register
) -> None:
    await register("support", version=1)
    place = await ask(handlers, ANNA, "before")
    await parts.rollout.promote(parts.shelf.find("support").bot_name, version=1, actor="test", reason="it is better")
    place = await ask(handlers, place, "after")
    view = await handlers.open(place)
    assert [line.version for line in view.lines] == ["", "support@base", "", "support@1"]


async def test_a_conversation_opens_for_its_owner_alone(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "a secret")
    stranger = replace(place, owner="browser:ben")
    assert (await handlers.open(stranger)).lines == ()
    assert (await handlers.lists(stranger)).conversations == ()
    with pytest.raises(NotFound):
        await first_view(handlers, stranger, "and more?")
    with pytest.raises(NotFound):
        await handlers.vote(stranger, 1, Vote.UP)


async def test_an_unknown_bot_or_conversation_opens_an_empty_page(handlers: ChatHandlers) -> None:
    view = await handlers.open(replace(ANNA, bot="nobody", conversation_id="nowhere"))
    assert (view.bot.name, view.lines) == ("support", ())


async def test_conversations_are_listed_newest_first_and_by_bot(handlers: ChatHandlers) -> None:
    await ask(handlers, ANNA, "the first")
    await ask(handlers, ANNA, "the second")
    lists = await handlers.lists(ANNA)
    assert [summary.title for summary in lists.conversations] == ["the second", "the first"]
    assert (await handlers.lists(replace(ANNA, bot="reviewer"))).conversations == ()


async def test_a_vote_is_kept_changed_and_taken_back_with_its_words(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "hello")
    rated = await handlers.vote(place, 1, Vote.DOWN)
    assert rated.lines[1].vote is Vote.DOWN
    await handlers.explain(place, place.shown[1], reasons=["wrong"], comment=" no ", ideal_answer="Hello!")
    rated = await handlers.vote(place, 1, Vote.DOWN)
    assert (rated.feedback.reasons, rated.feedback.comment, rated.feedback.ideal_answer) == (("wrong",), "no", "Hello!")
    rated = await handlers.vote(place, 1, Vote.NONE)
    assert (rated.feedback.vote, rated.feedback.reasons, rated.feedback.ideal_answer) == (Vote.NONE, (), "")


async def test_a_question_or_an_unfinished_answer_takes_no_vote(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "hello")
    with pytest.raises(InvalidInput):
        await handlers.vote(place, 0, Vote.UP)
    with pytest.raises(Busy):
        await handlers.vote(replace(place, shown=(place.shown[0], "")), 1, Vote.UP)


async def test_a_retry_answers_the_same_question_beside_the_old_answer(handlers: ChatHandlers) -> None:
    place = await ask(handlers, await ask(handlers, ANNA, "first"), "second")
    await handlers.vote(place, 3, Vote.UP)
    async with aclosing(handlers.retry(place)) as views:
        seen = [view async for view in views]
    assert [line.text for line in seen[0].lines][-2:] == ["second", ""]
    again = await stand(handlers, place)
    assert again.shown[:3] == place.shown[:3]
    assert again.shown[3] != place.shown[3]
    assert (await handlers.open(again)).lines[3].vote is Vote.NONE


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_an_answer_that_is_left_is_kept_as_far_as_it_came(handlers: ChatHandlers) -> None:
    views = handlers.ask(ANNA, "hello")
    conversation_id = (await anext(views)).conversation_id
    reading = asyncio.create_task(anext(views))
    place = replace(ANNA, conversation_id=conversation_id)
    opening = asyncio.create_task(handlers.open(place))
    await asyncio.sleep(0.05)
    with pytest.raises(Busy):
        await first_view(handlers, place, "hello?")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await views.aclose()
    answer = (await opening).lines[1]
    assert (answer.text, answer.finish) == ("one two", Finish.PARTIAL)


@pytest.mark.parametrize("engine", ["breaks"], indirect=True)
async def test_a_failing_engine_is_told_and_what_came_is_kept(handlers: ChatHandlers) -> None:
    with pytest.raises(EngineError):
        await ask(handlers, ANNA, "hello")
    [summary] = (await handlers.lists(ANNA)).conversations
    answer = (await handlers.open(replace(ANNA, conversation_id=summary.conversation_id))).lines[1]
    assert (answer.text, answer.finish) == ("one two", Finish.ERROR)


@pytest.mark.parametrize(("state", "words"), [(EngineState.STARTING, "waking up"), (EngineState.DOWN, "brought back")])
async def test_nothing_is_asked_of_an_engine_that_is_not_ready(parts: Parts, state: EngineState, words: str) -> None:
    handlers = handlers_of(parts, status=EngineStatus(state))
    assert words in handlers.notice()
    with pytest.raises(Unavailable, match=words):
        await first_view(handlers, ANNA, "hello")
    assert (await handlers.lists(ANNA)).conversations == ()


async def test_one_browser_may_not_ask_without_end(parts: Parts) -> None:
    handlers = handlers_of(parts, answers_per_minute=1)
    await ask(handlers, ANNA, "one")
    with pytest.raises(TooManyRequests):
        await first_view(handlers, ANNA, "two")
