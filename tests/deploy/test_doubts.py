"""What people said next, weighed by the base model: each once, whatever the engine does, and no night is the worse."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from collect.conversations import record_turn
from collect.review_queue import list_queue
from collect.store import Cursor, Store, open_store
from deploy.doubts import weigh_follow_ups
from nightschool.bots import Bot
from nightschool.echo import EchoEngine
from nightschool.engine import TokenizedChat
from nightschool.errors import EngineError, InvalidInput
from nightschool.records import BASE, BotName, ChatMessage, Conversation, Finish, Message, Source

AT = datetime(2026, 3, 1, tzinfo=UTC)
BOT = BotName("support")
WEIGHED = "select message_id, evidence, strength from signals where kind = 'doubt' order by message_id"


class Doubter(EchoEngine):
    """Finds a token less likely by what `costs` says for each word of the chat that is a key of it."""

    def __init__(self, costs: dict[str, float]) -> None:
        super().__init__()
        self._costs = costs
        self._asked: Sequence[ChatMessage] = ()
        self.models: set[str] = set()
        self.failure: Exception | None = None

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        self._asked = messages
        return await super().tokenize(messages, answer=answer)

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        if self.failure:
            raise self.failure
        self.models.add(model)
        text = " ".join(message["content"] for message in self._asked)
        cost = sum(cost for word, cost in self._costs.items() if word in text)
        return (-1.0 - cost,) * (len(token_ids) - 1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "record.duckdb", temp=tmp_path / "temp", memory_gib=0.5, threads=1) as store:
        for name, reply in (("one", "nonsense"), ("two", "lovely"), ("three", "hm")):
            talk = Conversation(name, BOT, "browser:ada", Source.CHAT, name, AT)
            messages = [
                Message(f"{name}-q", name, BOT, None, "user", f"Question {name}", Source.CHAT, AT),
                Message(f"{name}-a", name, BOT, f"{name}-q", "assistant", "Yes.", Source.CHAT, AT, finish=Finish.STOP),
                Message(f"{name}-n", name, BOT, f"{name}-a", "user", reply, Source.CHAT, AT),
            ]
            await store.write(partial(record_turn, conversation=talk, messages=messages))
        yield store


@pytest.fixture
def bot() -> Bot:
    return Bot.model_validate({"name": "support", "title": "Fern", "system_prompt": "Be kind."})


@pytest.fixture
def engine() -> Doubter:
    return Doubter({"nonsense": 0.25, "lovely": -0.5, "hm": 0.01})


async def weighed(store: Store) -> list[tuple[str, str, float]]:
    def ask(cursor: Cursor) -> list[tuple[str, str, float]]:
        return cursor.execute(WEIGHED).fetchall()

    return await store.read(ask)


async def test_a_reply_that_makes_its_answer_less_likely_is_a_doubt(store: Store, bot: Bot, engine: Doubter) -> None:
    assert await weigh_follow_ups(store, engine, bot=bot, limit=10) == 3
    assert await weighed(store) == [("one-a", "-0.250", 0.5), ("three-a", "-0.010", 0.0), ("two-a", "+0.500", 0.0)]
    assert engine.models == {BASE}
    [row] = await store.read(partial(list_queue, now=AT))
    assert (row.message_id, row.follow_up) == ("one-a", "nonsense")
    assert row.reasons == ("the reply makes the answer less likely",)


async def test_each_is_weighed_once_and_the_newest_first(store: Store, bot: Bot, engine: Doubter) -> None:
    assert await weigh_follow_ups(store, engine, bot=bot, limit=0) == 0
    assert await weigh_follow_ups(store, engine, bot=bot, limit=2) == 2
    assert [row[0] for row in await weighed(store)] == ["three-a", "two-a"]
    assert await weigh_follow_ups(store, engine, bot=bot, limit=2) == 1
    assert await weigh_follow_ups(store, engine, bot=bot, limit=2) == 0


async def test_an_engine_that_fails_is_asked_again_another_night(store: Store, bot: Bot, engine: Doubter) -> None:
    engine.failure = EngineError("is gone", subject="engine", remedy="Start it.")
    with pytest.raises(EngineError):
        await weigh_follow_ups(store, engine, bot=bot, limit=10)
    assert await weighed(store) == []
    engine.failure = None
    assert await weigh_follow_ups(store, engine, bot=bot, limit=10) == 3


async def test_what_is_too_long_is_not_asked_for_ever(store: Store, bot: Bot, engine: Doubter) -> None:
    engine.failure = InvalidInput("is too long", subject="prompt", remedy="Shorten it.")
    assert await weigh_follow_ups(store, engine, bot=bot, limit=10) == 3
    assert {row[2] for row in await weighed(store)} == {0.0}
    assert await weigh_follow_ups(store, engine, bot=bot, limit=10) == 0


@pytest.mark.parametrize(("value", "length"), [(-1.0, 1), (float("nan"), 0)])
async def test_nonsense_from_an_engine_is_no_figure(store: Store, bot: Bot, value: float, length: int) -> None:
    class Nonsense(EchoEngine):
        async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
            return (value,) * (length or len(token_ids) - 1)

    with pytest.raises(EngineError, match="no log-probabilities"):
        await weigh_follow_ups(store, Nonsense(), bot=bot, limit=10)
    assert await weighed(store) == []
