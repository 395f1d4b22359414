import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

import httpx
import httpx2
import openai
import pytest

from collect import conversations
from collect.conversations import ConversationSummary
from nightschool.errors import InvalidInput, Unavailable
from nightschool.records import BotName
from serve.api.repeats import KEEP_S, MOST, MOST_BYTES, Kept, Made, Repeats
from serve.parts import Parts

PATH = "/v1/chat/completions"
ASKED = {"model": "support", "messages": [{"role": "user", "content": "hello there"}]}


class Maker:
    """Makes replies of `count` pieces, each once it is let."""

    def __init__(self, count: int = 2, *, last: bytes | None = None, fails: Exception | None = None) -> None:
        self.count = count
        self.last = last
        self.fails = fails
        self.may_go_on = asyncio.Semaphore(10_000)
        self.begun = 0
        self.was_ended = False

    async def make(self) -> Made:
        self.begun += 1
        return Made({"x-made": str(self.begun)}, self._pieces(), last=self.last)

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        try:
            for number in range(self.count):
                await self.may_go_on.acquire()
                yield f"{self.begun}.{number} ".encode()
            if self.fails:
                raise self.fails
        except (asyncio.CancelledError, GeneratorExit):
            self.was_ended = True
            raise


def once(repeats: Repeats, maker: Maker, *, owner: str = "key:a", key: str = "k", fingerprint: str = "f") -> Kept:
    return repeats.once(owner, key, fingerprint=fingerprint, make=maker.make)


async def test_a_key_has_one_reply_for_its_owner() -> None:
    repeats, maker = Repeats(), Maker()
    assert await once(repeats, maker).whole() == b"1.0 1.1 "
    again = once(repeats, maker)
    assert (await again.begun(), await again.whole()) == ({"x-made": "1"}, b"1.0 1.1 ")
    assert await once(repeats, maker, owner="key:b").whole() == b"2.0 2.1 "
    assert await once(repeats, maker, key="other").whole() == b"3.0 3.1 "


async def test_a_key_of_another_request_is_refused() -> None:
    repeats, maker = Repeats(), Maker()
    once(repeats, maker)
    with pytest.raises(InvalidInput, match="was sent with another request before"):
        once(repeats, maker, fingerprint="g")


async def test_who_comes_while_it_is_made_hears_it_from_the_beginning() -> None:
    repeats, maker = Repeats(), Maker(count=3)
    maker.may_go_on = asyncio.Semaphore(1)
    first = asyncio.create_task(once(repeats, maker).whole())
    await asyncio.sleep(0.01)
    second = asyncio.create_task(once(repeats, maker).whole())
    for _ in range(2):
        maker.may_go_on.release()
    assert await first == await second == b"1.0 1.1 1.2 "
    assert maker.begun == 1


async def test_who_left_may_come_back_for_it() -> None:
    repeats, maker = Repeats(return_s=5), Maker(count=3)
    maker.may_go_on = asyncio.Semaphore(1)
    async with aclosing(once(repeats, maker).hear()) as pieces:
        assert await anext(pieces) == b"1.0 "
    for _ in range(2):
        maker.may_go_on.release()
    assert await once(repeats, maker).whole() == b"1.0 1.1 1.2 "
    assert not maker.was_ended


async def test_what_nobody_comes_back_for_is_ended_and_begun_anew() -> None:
    repeats, maker = Repeats(return_s=0.01), Maker(count=3)
    maker.may_go_on = asyncio.Semaphore(1)
    left = once(repeats, maker)
    async with aclosing(left.hear()) as pieces:
        await anext(pieces)
    async with asyncio.timeout(5):
        while not left.is_over:
            await asyncio.sleep(0.01)
    assert maker.was_ended
    maker.may_go_on = asyncio.Semaphore(10_000)
    assert await once(repeats, maker).whole() == b"2.0 2.1 2.2 "


async def test_what_failed_is_tried_again() -> None:
    repeats = Repeats()
    failing = Maker(fails=Unavailable("is away", subject="engine", remedy="Wait."))
    with pytest.raises(Unavailable, match="is away"):
        await once(repeats, failing).whole()
    cut = Maker(last=b"1.9 ")
    assert await once(repeats, cut).whole() == b"1.0 1.1 "
    whole = Maker(last=b"1.1 ")
    assert await once(repeats, whole).whole() == b"1.0 1.1 "
    assert await once(repeats, whole).whole() == b"1.0 1.1 "
    assert (failing.begun, cut.begun, whole.begun) == (1, 1, 1)


async def test_what_fails_before_it_begins_fails_for_all_who_wait() -> None:
    async def make() -> Made:
        await asyncio.sleep(0)
        raise Unavailable("is away", subject="engine", remedy="Wait.")

    repeats = Repeats()
    waiting = [repeats.once("key:a", "k", fingerprint="f", make=make).begun() for _ in range(2)]
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [Unavailable, Unavailable]


async def test_a_server_that_ends_passes_no_torso_off_as_a_reply() -> None:
    maker = Maker()
    maker.may_go_on = asyncio.Semaphore(1)
    kept = once(Repeats(), maker)
    whole = asyncio.create_task(kept.whole())
    await asyncio.sleep(0.01)
    assert kept.making
    kept.making.cancel()
    with pytest.raises(Unavailable, match="cut the answer off"):
        await whole


async def test_replies_are_kept_for_a_while_and_within_bounds() -> None:
    now = 0.0
    repeats = Repeats(now=lambda: now)
    maker = Maker(count=1)
    await once(repeats, maker).whole()
    now = KEEP_S + 1
    assert await once(repeats, maker).whole() == b"2.0 "
    for number in range(MOST):
        await once(repeats, maker, key=f"k{number}").whole()
    before = maker.begun
    await once(repeats, maker).whole()
    await once(repeats, maker, key=f"k{MOST - 1}").whole()
    assert maker.begun == before + 1

    async def large() -> Made:
        async def pieces() -> AsyncGenerator[bytes, None]:
            yield b"x" * (MOST_BYTES + 1)

        return Made({}, pieces())

    kept = repeats.once("key:a", "large", fingerprint="f", make=large)
    assert len(await kept.whole()) > MOST_BYTES
    assert repeats.once("key:a", "large", fingerprint="f", make=maker.make) is not kept


async def conversations_of_reader(parts: Parts) -> list[ConversationSummary]:
    return await parts.store.read(partial(conversations.conversations_of, bot=BotName("support"), owner="key:reader"))


@pytest.mark.parametrize("stream", [False, True])
async def test_a_completion_that_is_asked_again_is_one_answer_and_one_turn(
    client: httpx.AsyncClient, parts: Parts, stream: bool
) -> None:
    body, headers = ASKED | {"stream": stream}, {"Idempotency-Key": "a-key"}
    at_once = await asyncio.gather(*(client.post(PATH, json=body, headers=headers) for _ in range(3)))
    later = await client.post(PATH, json=body, headers=headers)
    assert {reply.status_code for reply in at_once} == {200}
    assert {reply.text for reply in at_once} == {later.text}
    assert later.headers["x-nightschool-version"] == "support@base"
    assert later.headers["content-type"] == at_once[0].headers["content-type"]
    [conversation] = await conversations_of_reader(parts)
    said = await parts.store.read(
        partial(conversations.conversation_messages, conversation_id=conversation.conversation_id)
    )
    assert [message.role for message in said] == ["user", "assistant"]
    other = await client.post(PATH, json=body, headers={"Idempotency-Key": "another"})
    assert other.text != later.text


async def test_a_key_that_cannot_be_used_is_refused_by_name(client: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": "a-key"}
    await client.post(PATH, json=ASKED, headers=headers)
    other = await client.post(PATH, json=ASKED | {"temperature": 0.5}, headers=headers)
    long = await client.post(PATH, json=ASKED, headers={"Idempotency-Key": "k" * 256})
    told = [(reply.status_code, reply.json()["error"]["code"]) for reply in (other, long)]
    assert told == [(400, "idempotency_key_reused"), (400, "string_above_max_length")]
    assert {reply.json()["error"]["param"] for reply in (other, long)} == {"Idempotency-Key"}


class Breaking(httpx2.AsyncHTTPTransport):
    """Loses the first reply, once the server has made it."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[bytes] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = await super().handle_async_request(request)
        if not self.lost:
            self.lost.append(await reply.aread())
            await reply.aclose()
            raise httpx2.ReadError("the connection broke", request=request)
        return reply


@pytest.fixture
async def breaking(url: str, user_key: str) -> AsyncIterator[tuple[openai.AsyncOpenAI, Breaking]]:
    transport = Breaking()
    async with (
        httpx2.AsyncClient(transport=transport) as http,
        openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=user_key, max_retries=2, http_client=http) as client,
    ):
        yield client, transport


async def test_openais_client_gets_the_lost_answer_by_its_own_retry(
    breaking: tuple[openai.AsyncOpenAI, Breaking], parts: Parts
) -> None:
    client, transport = breaking
    completion = await client.chat.completions.create(
        model="support", messages=[{"role": "user", "content": "hello"}], extra_headers={"Idempotency-Key": "a-key"}
    )
    [lost] = transport.lost
    assert completion.id.encode() in lost
    assert len(await conversations_of_reader(parts)) == 1
