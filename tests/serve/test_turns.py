import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Protocol

import pytest

from collect import conversations
from nightschool.bots import Bot
from nightschool.engine import Delta
from nightschool.errors import EngineError, InvalidInput, NotFound, Unavailable
from nightschool.records import Adapter, BotName, Finish, Message, Sampling, Source
from serve.parts import Parts
from serve.turns import Turn

OWNER = "browser:ada"
Register = Callable[..., Awaitable[Adapter]]


class Troubled(Protocol):
    said: asyncio.Event
    is_closed: bool


@pytest.fixture
def bot(parts: Parts) -> Bot:
    return parts.shelf.find("support")


async def take(parts: Parts, turn: Turn) -> list[Delta]:
    async with aclosing(parts.turns.answer(turn)) as deltas:
        return [delta async for delta in deltas]


async def recorded(parts: Parts, turn: Turn) -> list[Message]:
    conversation_id = turn.conversation.conversation_id
    return await parts.store.read(partial(conversations.conversation_messages, conversation_id=conversation_id))


async def chat(parts: Parts, bot: Bot, text: str, *, after: Turn | None = None) -> Turn:
    conversation_id = after.conversation.conversation_id if after else None
    return await parts.turns.begin_chat(bot, owner=OWNER, conversation_id=conversation_id, text=text)


async def test_who_has_the_last_piece_finds_the_answer_in_the_record(parts: Parts, bot: Bot) -> None:
    turn = await chat(parts, bot, "hello")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        async for delta in deltas:
            if delta.finish:
                question, answer = await recorded(parts, turn)
    assert (delta.finish, delta.completion_tokens) == (Finish.STOP, 3)
    assert (question.role, question.content, question.source) == ("user", "hello", Source.CHAT)
    assert (answer.content, answer.parent_id, answer.message_id) == (
        "[echo base] hello", question.message_id, turn.answer_id,
    )  # fmt: skip
    assert answer.first_token_s is not None
    assert answer.duration_s is not None
    assert answer.duration_s >= answer.first_token_s >= 0


async def test_the_engine_sees_the_bots_prompt_and_what_was_said(parts: Parts, bot: Bot) -> None:
    first = await chat(parts, bot, "one")
    await take(parts, first)
    second = await chat(parts, bot, "two", after=first)
    assert [(m["role"], m["content"]) for m in second.prompt.messages] == [
        ("system", "You are Fern."), ("user", "one"), ("assistant", "[echo base] one"), ("user", "two"),
    ]  # fmt: skip


async def test_a_retry_is_a_sibling_and_the_old_answer_stays(parts: Parts, bot: Bot) -> None:
    turn = await chat(parts, bot, "hello")
    await take(parts, turn)
    again = await parts.turns.begin_retry(
        bot, owner=OWNER, conversation_id=turn.conversation.conversation_id, answer_id=turn.answer_id
    )
    await take(parts, again)
    question, first, second = await recorded(parts, turn)
    assert (first.parent_id, second.parent_id) == (question.message_id, question.message_id)


async def test_a_conversation_is_its_owners_alone(parts: Parts, bot: Bot) -> None:
    turn = await chat(parts, bot, "hello")
    await take(parts, turn)
    conversation_id = turn.conversation.conversation_id
    for owner, wanted in (("browser:eve", bot), (OWNER, parts.shelf.find("reviewer"))):
        with pytest.raises(NotFound):
            await parts.turns.begin_chat(wanted, owner=owner, conversation_id=conversation_id, text="mine now")
        with pytest.raises(NotFound):
            await parts.turns.begin_retry(
                wanted, owner=owner, conversation_id=conversation_id, answer_id=turn.answer_id
            )


async def test_an_empty_or_endless_question_is_refused(parts: Parts, bot: Bot) -> None:
    for text in ("", " \n\t", "x" * 20_001):
        with pytest.raises(InvalidInput):
            await chat(parts, bot, text)


async def test_a_callers_system_message_stands_behind_the_bots_own(parts: Parts, bot: Bot) -> None:
    turn = await parts.turns.begin_api(
        bot,
        owner="key:k",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        sampling=Sampling(),
    )
    assert turn.prompt.system == "You are Fern.\n\nBe brief."
    assert [m.source for m in turn.asked] == [Source.CLIENT, Source.API]


@pytest.mark.parametrize("engine", ["breaks"], indirect=True)
async def test_what_came_before_a_failure_is_recorded_and_the_failure_is_raised(parts: Parts, bot: Bot) -> None:
    turn = await chat(parts, bot, "hello")
    with pytest.raises(EngineError, match="ran out of memory"):
        await take(parts, turn)
    _, answer = await recorded(parts, turn)
    assert (answer.content, answer.finish) == ("one two", Finish.ERROR)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_reader_who_closes_ends_the_engine_and_the_beginning_is_recorded(
    parts: Parts, bot: Bot, engine: Troubled
) -> None:
    turn = await chat(parts, bot, "hello")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        assert (await anext(deltas)).text == "one"
        assert (await anext(deltas)).text == " two"
    assert engine.is_closed
    _, answer = await recorded(parts, turn)
    assert (answer.content, answer.finish) == ("one two", Finish.PARTIAL)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_reader_who_is_cancelled_again_and_again_costs_no_record(
    parts: Parts, bot: Bot, engine: Troubled
) -> None:
    turn = await chat(parts, bot, "hello")
    reading = asyncio.create_task(take(parts, turn))
    await engine.said.wait()
    while not reading.done():
        reading.cancel()
        await asyncio.wait({reading}, timeout=0)
    await parts.turns.stop(grace_s=5)
    _, answer = await recorded(parts, turn)
    assert (answer.content, answer.finish) == ("one two", Finish.PARTIAL)


@pytest.mark.parametrize("engine", ["none"], indirect=True)
async def test_a_reader_who_leaves_while_the_record_is_written_does_not_stop_it(
    parts: Parts, bot: Bot, engine: Troubled
) -> None:
    may_write = threading.Event()
    writing = asyncio.create_task(parts.store.write(lambda _: may_write.wait()))
    turn = await chat(parts, bot, "hello")
    reading = asyncio.create_task(take(parts, turn))
    # Once the engine has said all, the answer waits in the writer's queue.
    await engine.said.wait()
    reading.cancel()
    await asyncio.wait({reading}, timeout=0)
    may_write.set()
    await writing
    await parts.turns.stop(grace_s=5)
    _, answer = await recorded(parts, turn)
    assert (answer.content, answer.finish) == ("one two", Finish.STOP)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_stop_gives_readers_a_proper_end_and_takes_no_more_turns(
    parts: Parts, bot: Bot, engine: Troubled
) -> None:
    turn = await chat(parts, bot, "hello")
    reading = asyncio.create_task(take(parts, turn))
    await engine.said.wait()
    await parts.turns.stop(grace_s=0)
    *said, last = await reading
    assert ("".join(d.text for d in said), last.finish) == ("one two", Finish.PARTIAL)
    assert (await recorded(parts, turn))[1].finish is Finish.PARTIAL
    with pytest.raises(Unavailable, match="is stopping"):
        await take(parts, await chat(parts, bot, "more"))


async def test_a_stop_lets_answers_in_flight_end(parts: Parts, bot: Bot) -> None:
    turn = await chat(parts, bot, "hello")
    async with aclosing(parts.turns.answer(turn)) as deltas:
        await anext(deltas)
        await parts.turns.stop(grace_s=5)
        *_, last = [delta async for delta in deltas]
    assert last.finish is Finish.STOP


async def test_a_version_the_engine_has_forgotten_is_unavailable_not_unknown(
    parts: Parts, bot: Bot, register: Register
) -> None:
    await register("support", version=1)
    await parts.rollout.promote(BotName("support"), version=1, actor="boss", reason="a test")
    await parts.engine.unload_adapter("support@1")
    turn = await chat(parts, bot, "hello")
    with pytest.raises(Unavailable, match="is not loaded"):
        await take(parts, turn)
    assert (await recorded(parts, turn))[1].finish is Finish.ERROR


async def test_an_answer_keeps_the_version_it_began_with(parts: Parts, bot: Bot, register: Register) -> None:
    adapter = await register("support", version=1)
    turn = await parts.turns.pin(await chat(parts, bot, "hello"))
    await parts.rollout.promote(BotName("support"), version=1, actor="boss", reason="a test")
    await take(parts, turn)
    assert parts.turns.version_of(turn) == "support@base"
    assert (await recorded(parts, turn))[1].version is None
    after = await chat(parts, bot, "and now", after=turn)
    await take(parts, after)
    last = (await recorded(parts, after))[-1]
    assert (last.version, last.adapter_hash) == (1, adapter.content_hash)


async def test_many_answers_at_once_each_keep_their_own_words(parts: Parts, bot: Bot) -> None:
    turns = [await chat(parts, bot, f"question {number}") for number in range(20)]
    await asyncio.gather(*(take(parts, turn) for turn in turns))
    for number, turn in enumerate(turns):
        assert (await recorded(parts, turn))[1].content == f"[echo base] question {number}"
