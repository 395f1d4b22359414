"""The chat page's doings without a browser."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Protocol

import pytest

from collect.reviews import record_review
from deploy.fates import Fates
from nightschool.engine import ChatRequest
from nightschool.errors import Busy, EngineError, InvalidInput, NotFound, TooManyRequests, Unavailable
from nightschool.files import publish
from nightschool.records import Adapter, BotName, Finish, Review, Vote, utc_now
from serve.chat.forgetting import Forgetting
from serve.chat.handlers import ChatHandlers
from serve.chat.views import ChatView, Place
from serve.parts import Parts
from serve.vllm.supervisor import EngineState, EngineStatus

from ...tables import write_table

ANNA = Place("browser:anna", "support")
Register = Callable[..., Awaitable[Adapter]]


class Troubled(Protocol):
    trouble: str
    said: asyncio.Event
    seen: list[ChatRequest]


def handlers_of(parts: Parts, *, status: EngineStatus | None = None, answers_per_minute: int = 100) -> ChatHandlers:
    return ChatHandlers(
        turns=parts.turns,
        votes=parts.votes,
        fates=Fates(parts.store, parts.home),
        store=parts.store,
        shelf=parts.shelf,
        opponents=parts.opponents,
        engine_status=lambda: status or EngineStatus(EngineState.READY),
        answers_per_minute=answers_per_minute,
    )


@pytest.fixture
def handlers(parts: Parts) -> ChatHandlers:
    return handlers_of(parts)


def keep_dataset(parts: Parts, *, vote: tuple[str, str], side: str | None) -> None:
    """Of every version that `register` makes: the vote on one side, or in no row."""
    folder = parts.home.dataset(BotName("support"), "0" * 64)
    folder.mkdir(parents=True)
    message_id, voter = vote
    other = {"kind": "sft", "side": "train", "votes": [{"message_id": message_id, "voter": "browser:ben"}]}
    own = {"kind": "votes", "side": side, "votes": [{"message_id": message_id, "voter": voter}]}
    write_table(folder / "items.parquet", [other, own] if side else [other])
    publish(folder, kind="dataset")


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
    assert [line.text for line in seen[0].lines] == ["Where is my parcel?", ""]
    view = await handlers.open(replace(ANNA, conversation_id=seen[0].conversation_id))
    assert [line.text for line in view.lines] == ["Where is my parcel?", "[echo base] Where is my parcel?"]
    assert view.lines[1].version == "support@base"


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


async def test_no_other_bot_answers_what_one_was_asked_that_is_gone(parts: Parts, handlers: ChatHandlers) -> None:
    (parts.settings.bots / "reviewer.toml").unlink()
    parts.shelf.look()
    with pytest.raises(NotFound):
        await first_view(handlers, replace(ANNA, bot="reviewer"), "Review: x = 1")
    assert (await handlers.open(replace(ANNA, bot="reviewer"))).bot.name == "support"


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


@pytest.mark.parametrize("side", ["train", "held-out", None])
async def test_whoever_voted_is_told_what_became_of_it(
    parts: Parts, handlers: ChatHandlers, register: Register, *, side: str | None
) -> None:
    place = await ask(handlers, ANNA, "hello")
    await handlers.vote(place, 1, Vote.UP)
    assert (await handlers.open(place)).lines[1].fate is None
    await register("support", version=1)
    keep_dataset(parts, vote=(place.shown[1], ANNA.owner), side=side)
    fate = (await handlers.open(place)).lines[1].fate
    assert (fate.state if fate else None) == {"train": "learnt", "held-out": "held-out", None: None}[side]
    # The line is the visitor's while the vote stands.
    await handlers.vote(place, 1, Vote.NONE)
    assert (await handlers.open(place)).lines[1].fate is None


async def test_the_line_stays_while_the_next_answer_comes(
    parts: Parts, handlers: ChatHandlers, register: Register
) -> None:
    place = await ask(handlers, ANNA, "hello")
    await handlers.vote(place, 1, Vote.UP)
    await register("support", version=1)
    keep_dataset(parts, vote=(place.shown[1], ANNA.owner), side="train")
    learnt = (await handlers.open(place)).lines[1].fate
    assert learnt
    # A dataset is looked at once: it never changes.
    shutil.rmtree(parts.home.dataset(BotName("support"), "0" * 64))
    view = await first_view(handlers, place, "more")
    assert view.lines[1].fate == learnt


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
async def test_the_first_word_is_shown_as_it_comes(handlers: ChatHandlers) -> None:
    async with aclosing(handlers.ask(ANNA, "hello")) as views, asyncio.timeout(5):
        assert [(await anext(views)).lines[1].text for _ in range(2)] == ["", "one"]


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


@pytest.mark.parametrize("state", [EngineState.STARTING, EngineState.DOWN])
async def test_nothing_is_asked_of_an_engine_that_is_not_ready(parts: Parts, state: EngineState) -> None:
    handlers = handlers_of(parts, status=EngineStatus(state))
    assert handlers.engine_state() is state
    with pytest.raises(Unavailable):
        await first_view(handlers, ANNA, "hello")
    assert (await handlers.lists(ANNA)).conversations == ()


async def test_one_browser_may_not_ask_without_end(parts: Parts) -> None:
    handlers = handlers_of(parts, answers_per_minute=1)
    await ask(handlers, ANNA, "one")
    with pytest.raises(TooManyRequests):
        await first_view(handlers, ANNA, "two")


@pytest.mark.parametrize("engine", ["none"], indirect=True)
async def test_a_failed_retry_replaces_no_answer(handlers: ChatHandlers, engine: Troubled) -> None:
    place = await ask(handlers, ANNA, "hello")
    engine.trouble = "breaks"
    with pytest.raises(EngineError):
        async with aclosing(handlers.retry(place)) as views:
            [_ async for _ in views]
    view = await handlers.open(place)
    assert [line.finish for line in view.lines] == [None, Finish.STOP]
    [good, torso] = view.lines[1].siblings
    assert good == place.shown[1]
    failed = await handlers.turn_to(place, torso)
    assert (failed.lines[1].text, failed.lines[1].finish) == ("one two", Finish.ERROR)


@pytest.mark.parametrize("engine", ["dead", "breaks"], indirect=True)
async def test_what_failed_enters_no_prompt_and_is_replaced_by_what_is_asked_next(
    handlers: ChatHandlers, engine: Troubled
) -> None:
    with pytest.raises(EngineError):
        await ask(handlers, ANNA, "hello")
    [summary] = (await handlers.lists(ANNA)).conversations
    place = await stand(handlers, replace(ANNA, conversation_id=summary.conversation_id))
    engine.trouble = "none"
    place = await ask(handlers, place, "hello again")
    assert [message["content"] for message in engine.seen[-1].messages] == ["You are Fern.", "hello again"]
    view = await handlers.open(place)
    assert [line.text for line in view.lines] == ["hello again", "one two"]
    [failed, _] = view.lines[0].siblings
    assert (await handlers.turn_to(place, failed)).lines[0].text == "hello"


async def test_an_older_answer_can_be_turned_to_and_talked_on_from(handlers: ChatHandlers) -> None:
    first = await ask(handlers, ANNA, "hello")
    async with aclosing(handlers.retry(first)) as views:
        [_ async for _ in views]
    second = await stand(handlers, first)
    assert second.shown[1] != first.shown[1]
    view = await handlers.turn_to(second, first.shown[1])
    assert [line.message_id for line in view.lines] == list(first.shown)
    onward = await ask(handlers, first, "go on")
    assert onward.shown[:2] == first.shown
    # The thumb is drawn on the branch that the page shows, not on the newest.
    rated = await handlers.vote(second, 1, Vote.UP)
    assert [line.message_id for line in rated.lines] == list(second.shown)


async def test_a_strangers_branch_is_not_turned_to(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "hello")
    assert (await handlers.turn_to(replace(place, owner="browser:ben"), place.shown[1])).lines == ()
    other = await ask(handlers, ANNA, "another conversation")
    assert (await handlers.turn_to(other, place.shown[1])).lines == ()


@pytest.mark.parametrize("again", ["ask", "retry"])
async def test_of_two_tabs_one_is_answered_and_the_other_is_told(handlers: ChatHandlers, again: str) -> None:
    place = await ask(handlers, ANNA, "hello")

    async def second() -> ChatView:
        return await first_view(handlers, place, "b") if again == "ask" else await _first_retry(handlers, place)

    done = await asyncio.gather(ask(handlers, place, "a"), second(), second(), return_exceptions=True)
    assert [isinstance(outcome, Busy) for outcome in done] == [False, True, True]
    await ask(handlers, await stand(handlers, place), "and on it goes")


async def test_what_two_tabs_asked_can_both_be_reached(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "hello")
    await ask(handlers, place, "from the first tab")
    place = await ask(handlers, place, "from the second tab")
    view = await handlers.open(place)
    assert [line.text for line in view.lines][2] == "from the second tab"
    [other, _] = view.lines[2].siblings
    turned = await handlers.turn_to(place, other)
    assert [line.text for line in turned.lines][2:] == ["from the first tab", "[echo base] from the first tab"]


async def test_a_stranger_cannot_keep_a_conversation_busy(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "hello")
    stranger = replace(place, owner="browser:ben")
    refused = asyncio.gather(*(first_view(handlers, stranger, "x") for _ in range(5)), return_exceptions=True)
    await ask(handlers, place, "still mine")
    assert all(isinstance(outcome, NotFound | Busy) for outcome in await refused)


async def _first_retry(handlers: ChatHandlers, place: Place) -> ChatView:
    async with aclosing(handlers.retry(place)) as views:
        return await anext(views)


async def test_an_operators_own_words_come_as_such_and_stay_such(parts: Parts, handlers: ChatHandlers) -> None:
    views = [view async for view in handlers.ask(ANNA, "How much is Grove?")]
    [_, said] = (await handlers.open(replace(ANNA, conversation_id=views[-1].conversation_id))).lines
    review = Review(said.message_id, BotName("support"), "operator", True, "4 euro.", (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    await parts.verified.refresh()
    async for view in handlers.ask(ANNA, "How much is Grove?"):
        assert view.lines[-1].version == "support@verified"
    [_, shown] = (await handlers.open(replace(ANNA, conversation_id=view.conversation_id))).lines
    assert (shown.text, shown.version) == ("4 euro.", "support@verified")


async def test_a_chat_that_its_owner_deletes_is_gone_and_nobody_elses(parts: Parts, handlers: ChatHandlers) -> None:
    forgetting = Forgetting(parts.turns, parts.eraser)
    place = await ask(handlers, Place("browser:ada", "support"), "Where is my parcel?")
    with pytest.raises(NotFound):
        await forgetting.forget(replace(place, owner="browser:ben"))
    await forgetting.forget(place)
    assert (await handlers.open(place)).lines == ()
    assert (await handlers.lists(place)).conversations == ()
    [certificate] = await parts.eraser.finish()
    assert (certificate.by, certificate.kind) == ("whose it was", "conversation")


async def test_a_question_in_other_words_stands_beside_the_old_one(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "first")
    place = await ask(handlers, place, "second")
    [first, answer, *_] = place.shown
    async with aclosing(handlers.ask(place, "frist, but right", instead_of=first)) as views:
        seen = [view async for view in views][-1]
    assert [line.text for line in seen.lines][:1] == ["frist, but right"]
    shown = (await handlers.open(place)).lines
    assert (shown[0].text, len(shown), shown[0].siblings[0]) == ("frist, but right", 2, first)
    for wrong in (answer, "nowhere"):
        with pytest.raises(NotFound):
            async with aclosing(handlers.ask(place, "and this?", instead_of=wrong)) as views:
                await anext(views)


async def test_a_branch_begins_at_any_answer(handlers: ChatHandlers) -> None:
    place = await ask(handlers, ANNA, "first")
    first_answer = place.shown[-1]
    place = await ask(handlers, place, "second")
    view = await handlers.stay(replace(place, shown=(first_answer,)))
    assert [line.text for line in view.lines] == ["first", "[echo base] first"]
    branched = await ask(handlers, replace(place, shown=tuple(line.message_id for line in view.lines)), "third")
    assert branched.shown[:2] == place.shown[:2]
    stranger = replace(place, owner="browser:ben", shown=(first_answer,))
    assert (await handlers.stay(stranger)).lines == ()


async def test_what_is_shown_stays_shown_until_something_is_asked(handlers: ChatHandlers) -> None:
    first = await ask(handlers, ANNA, "first")
    place = await ask(handlers, first, "second")
    assert [line.message_id for line in (await handlers.stay(place)).lines] == list(place.shown)
    assert [line.message_id for line in (await handlers.stay(first)).lines] == list(first.shown)
    # A page that was just opened shows nothing yet.
    anew = replace(place, shown=())
    assert [line.message_id for line in (await handlers.stay(anew)).lines] == list(place.shown)
