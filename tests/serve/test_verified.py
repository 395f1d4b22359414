"""An operator's words are the answer to a question that is near enough: at once, as they stand."""

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import httpx
import pytest

from collect import conversations
from collect.feedback import list_feedback
from collect.review_queue import list_queue
from collect.reviews import record_review
from collect.verified.served import source_of
from nightschool.bots import Bot
from nightschool.engine import Delta
from nightschool.records import Adapter, BotName, ChatMessage, Finish, Message, Review, Sampling, Source, Vote, utc_now
from nightschool.settings import ServerSettings
from serve.console.draw_feedback import row_label
from serve.parts import Parts
from serve.turns import Turn
from serve.votes import Opinion

OWNER = "browser:ada"
QUESTION = "How much is Grove?"
RIGHT = "Grove costs 4 euro a month."
PATH = "/v1/chat/completions"


@pytest.fixture
def bot(parts: Parts) -> Bot:
    return parts.shelf.find("support")


async def take(parts: Parts, turn: Turn) -> list[Delta]:
    async with aclosing(parts.turns.answer(turn)) as deltas:
        return [delta async for delta in deltas]


async def begin(parts: Parts, bot: Bot, text: str, *, conversation_id: str | None = None) -> Turn:
    return await parts.turns.begin_chat(bot, owner=OWNER, conversation_id=conversation_id, text=text)


async def correct(parts: Parts, bot: Bot) -> str:
    """The id of an answer to QUESTION that an operator corrected just now."""
    turn = await begin(parts, bot, QUESTION)
    await take(parts, turn)
    review = Review(turn.answer_id, bot.bot_name, "operator", True, RIGHT, (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    await parts.verified.refresh()
    return turn.answer_id


async def recorded(parts: Parts, message_id: str) -> Message:
    return await parts.store.read(partial(conversations.message, message_id=message_id))


async def test_it_comes_in_one_piece_and_the_record_says_whose_it_is(parts: Parts, bot: Bot) -> None:
    source = await correct(parts, bot)
    turn = await begin(parts, bot, "how much is GROVE")
    assert [delta.text for delta in await take(parts, turn)] == [RIGHT, ""]
    answer = await recorded(parts, turn.answer_id)
    assert (answer.source, answer.version, answer.adapter_hash) == (Source.VERIFIED, None, "")
    assert (answer.finish, answer.completion_tokens, answer.system_hash) == (Finish.STOP, 0, "")
    assert await parts.store.read(partial(source_of, message_id=turn.answer_id)) == source
    assert parts.turns.version_of(turn) == "support@verified"
    assert b'nightschool_answers_total{bot="support",finish="stop",version="verified"} 1.0' in parts.metrics.render()


async def test_who_leaves_at_once_leaves_a_whole_answer_in_the_record(parts: Parts, bot: Bot) -> None:
    await correct(parts, bot)
    turn = await begin(parts, bot, QUESTION)
    async with aclosing(parts.turns.answer(turn)) as deltas:
        await anext(deltas)
    answer = await recorded(parts, turn.answer_id)
    assert (answer.content, answer.finish) == (RIGHT, Finish.STOP)


@pytest.mark.parametrize("engine", ["dead"], indirect=True)
async def test_it_needs_no_engine(parts: Parts, bot: Bot) -> None:
    with pytest.raises(Exception, match="memory"):
        await correct(parts, bot)
    [(answer_id,)] = await parts.store.read(
        lambda cursor: cursor.execute("select message_id from messages where role = 'assistant'").fetchall()
    )
    review = Review(answer_id, bot.bot_name, "operator", True, RIGHT, (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    await parts.verified.refresh()
    assert (await take(parts, await begin(parts, bot, QUESTION)))[0].text == RIGHT


async def test_follow_ups_retries_and_named_versions_are_the_engines(
    parts: Parts, bot: Bot, register: Callable[..., Awaitable[Adapter]]
) -> None:
    await correct(parts, bot)
    first = await begin(parts, bot, QUESTION)
    await take(parts, first)
    conversation_id = first.conversation.conversation_id
    assert (await begin(parts, bot, QUESTION, conversation_id=conversation_id)).verified is None
    again = await parts.turns.begin_retry(bot, owner=OWNER, conversation_id=conversation_id, answer_id=first.answer_id)
    assert again.verified is None
    route = parts.rollout.route(BotName("support"))
    said = [ChatMessage(role="user", content=QUESTION)]
    begun = partial(parts.turns.begin_api, bot, owner="key:k", messages=said)
    usual = bot.sampling.to_sampling()
    assert (await begun(sampling=usual)).verified is not None
    assert (await begun(sampling=usual, route=route)).verified is None
    assert (await begun(sampling=Sampling(max_tokens=usual.max_tokens - 1))).verified is None
    assert (await begun(sampling=Sampling(stop=("euro",)))).verified is None


@pytest.mark.parametrize(
    "before", [[("system", "Speak French.")], [("user", "Hi"), ("assistant", "Hello")], [("assistant", "Hello")]]
)
async def test_what_a_caller_sent_before_the_question_may_change_its_meaning(
    parts: Parts, bot: Bot, before: list[tuple[Any, str]]
) -> None:
    await correct(parts, bot)
    said = [ChatMessage(role=role, content=content) for role, content in [*before, ("user", QUESTION)]]
    turn = await parts.turns.begin_api(bot, owner="key:k", messages=said, sampling=bot.sampling.to_sampling())
    assert turn.verified is None


async def test_another_bot_knows_nothing_of_it(parts: Parts, bot: Bot) -> None:
    await correct(parts, bot)
    assert (await begin(parts, parts.shelf.find("reviewer"), QUESTION)).verified is None


async def test_a_dislike_counts_at_once(parts: Parts, bot: Bot) -> None:
    await correct(parts, bot)
    turn = await begin(parts, bot, QUESTION)
    await take(parts, turn)
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN), owner=OWNER)
    # Nothing was read anew in between.
    assert (await begin(parts, bot, QUESTION)).verified is None
    [queued] = await parts.store.read(partial(list_queue, now=utc_now()))
    assert row_label(queued) == f"a verified answer, 1 thumb down · {QUESTION} · support@verified"
    [said] = await parts.store.read(list_feedback)
    assert row_label(said) == f"disliked · {QUESTION} · support@verified"


async def test_the_api_says_so(client: httpx.AsyncClient, parts: Parts, bot: Bot) -> None:
    await correct(parts, bot)
    body = {"model": "support", "messages": [{"role": "user", "content": QUESTION}]}
    reply = await client.post(PATH, json=body)
    assert reply.json()["choices"][0]["message"]["content"] == RIGHT
    assert reply.json()["nightschool"] == {"verified": True}
    assert reply.json()["usage"]["total_tokens"] == 0
    assert reply.headers["x-nightschool-version"] == "support@verified"
    streamed = (await client.post(PATH, json=body | {"stream": True})).text
    assert streamed.count(RIGHT) == 1
    assert '"nightschool":{"verified":true}' in streamed
    voted = await client.post("/v1/feedback", json={"completion_id": reply.json()["id"], "vote": "up"})
    assert voted.status_code == 200


class TestStrict:
    @pytest.fixture
    def server_settings(self) -> ServerSettings:
        return ServerSettings(requests_per_minute=100_000, strict_openai=True)

    async def test_a_strict_reply_has_openais_fields_alone(
        self, client: httpx.AsyncClient, parts: Parts, bot: Bot
    ) -> None:
        await correct(parts, bot)
        reply = await client.post(PATH, json={"model": "support", "messages": [{"role": "user", "content": QUESTION}]})
        assert reply.json()["choices"][0]["message"]["content"] == RIGHT
        assert "nightschool" not in reply.json()
