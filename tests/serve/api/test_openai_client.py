"""The real `openai` client against a real server."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import httpx
import openai
import pytest

from collect import conversations, keys
from nightschool.records import Finish, utc_now
from nightschool.settings import ServerSettings
from serve.parts import Parts

ASKED: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "hello there"}]


@pytest.fixture
async def openai_client(url: str, user_key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=user_key, max_retries=0) as client:
        yield client


async def test_it_chats(openai_client: openai.AsyncOpenAI) -> None:
    raw = await openai_client.chat.completions.with_raw_response.create(model="support", messages=ASKED)
    completion = raw.parse()
    assert raw.headers["x-nightschool-version"] == "support@base"
    assert completion.choices[0].message.content == "[echo base] hello there"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4
    # What came back may be sent along as history.
    said = completion.choices[0].message
    again = await openai_client.chat.completions.create(
        model="support",
        messages=[*ASKED, said.model_dump(), ASKED[0]],  # type: ignore[list-item]  # as many programs do
    )
    assert again.choices[0].finish_reason == "stop"


async def test_it_streams(openai_client: openai.AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(
        model="support", messages=ASKED, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "[echo base] hello there"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 9
    async with openai_client.chat.completions.stream(model="support", messages=ASKED) as helper:
        final = await helper.get_final_completion()
    assert final.choices[0].message.content == "[echo base] hello there"


async def test_it_takes_several_choices_with_log_probabilities_and_json(openai_client: openai.AsyncOpenAI) -> None:
    whole = await openai_client.chat.completions.create(
        model="support", messages=ASKED, n=2, logprobs=True, top_logprobs=3, response_format={"type": "json_object"}
    )
    assert [choice.message.content for choice in whole.choices] == ['{"answer": "[echo base] hello there"}'] * 2
    assert whole.choices[1].logprobs is not None
    assert whole.choices[1].logprobs.content is not None
    assert len(whole.choices[1].logprobs.content[0].top_logprobs) == 3
    async with openai_client.chat.completions.stream(model="support", messages=ASKED, n=2, logprobs=True) as stream:
        final = await stream.get_final_completion()
    assert [choice.message.content for choice in final.choices] == ["[echo base] hello there"] * 2
    assert final.choices[1].logprobs is not None


async def test_it_reads_what_an_answer_stands_on_beside_its_own_fields(
    parts: Parts, openai_client: openai.AsyncOpenAI, bots_folder: Path
) -> None:
    pages = bots_folder / "pages"
    pages.mkdir()
    (pages / "returns.md").write_text("# Returns\n\n## Refund time\n\nMoney comes back within 5 business days.\n")
    about = 'name = "docs"\ntitle = "Docs"\nsystem_prompt = "Help."\n[knowledge]\nfolder = "pages"\nguard = "off"\n'
    (bots_folder / "docs.toml").write_text(about)
    parts.shelf.look()
    await parts.knowledge.look()
    asked: list[openai.types.chat.ChatCompletionMessageParam] = [
        {"role": "user", "content": "When does my money come back?"}
    ]
    whole = await openai_client.chat.completions.create(model="docs", messages=asked)
    assert whole.model_extra is not None
    [source] = whole.model_extra["nightschool"]["sources"]
    assert (source["document"], source["heading"], len(source["passage_id"])) == ("Returns", "Refund time", 16)
    stream = await openai_client.chat.completions.create(model="docs", messages=asked, stream=True)
    told = [chunk.model_extra["nightschool"] async for chunk in stream if chunk.model_extra]
    assert told == [whole.model_extra["nightschool"]]


async def test_it_lists_models(openai_client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in openai_client.models.list()] == ["reviewer", "support"]
    assert (await openai_client.models.retrieve("support")).owned_by == "nightschool"


async def test_it_raises_the_error_that_fits(openai_client: openai.AsyncOpenAI, url: str) -> None:
    create = openai_client.chat.completions.create
    with pytest.raises(openai.NotFoundError) as not_found:
        await create(model="nobody", messages=ASKED)
    assert not_found.value.code == "model_not_found"
    with pytest.raises(openai.PermissionDeniedError):
        await create(model="support@base", messages=ASKED)
    with pytest.raises(openai.BadRequestError) as bad:
        await create(model="support", messages=ASKED, n=9)
    assert (bad.value.param, bad.value.type) == ("n", "invalid_request_error")
    with pytest.raises(openai.BadRequestError) as bad:
        await create(model="support", messages=[])
    assert bad.value.param == "messages"
    with pytest.raises(openai.NotFoundError):
        await openai_client.embeddings.create(model="support", input="x")
    with pytest.raises(openai.AuthenticationError):
        await openai_client.with_options(api_key="ns-wrong").chat.completions.create(model="support", messages=ASKED)


@pytest.mark.parametrize("server_settings", [ServerSettings(requests_per_minute=1)])
async def test_it_is_told_to_slow_down(openai_client: openai.AsyncOpenAI) -> None:
    await openai_client.chat.completions.create(model="support", messages=ASKED)
    with pytest.raises(openai.RateLimitError) as limited:
        await openai_client.chat.completions.create(model="support", messages=ASKED)
    assert int(limited.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("engine", ["breaks"], indirect=True)
async def test_an_engine_that_fails_in_the_middle_is_an_api_error(openai_client: openai.AsyncOpenAI) -> None:
    stream = await openai_client.chat.completions.create(model="support", messages=ASKED, stream=True)
    said = [(await anext(stream)).choices[0].delta.content for _ in range(3)]
    assert said == ["", "one", " two"]
    with pytest.raises(openai.APIError, match="ran out of memory"):
        await anext(stream)


@pytest.mark.parametrize("engine", ["dead"], indirect=True)
async def test_an_engine_that_is_dead_is_an_internal_server_error(openai_client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.InternalServerError):
        await openai_client.chat.completions.create(model="support", messages=ASKED, stream=True)


@pytest.mark.parametrize("engine", ["hangs"], indirect=True)
async def test_a_stream_that_is_closed_early_is_recorded_as_partial(
    openai_client: openai.AsyncOpenAI, parts: Parts
) -> None:
    stream = await openai_client.chat.completions.create(model="support", messages=ASKED, stream=True)
    ids = []
    async for chunk in stream:
        ids.append(chunk.id)
        if chunk.choices[0].delta.content == " two":
            break
    await stream.close()
    await parts.turns.stop(grace_s=5)
    answer = await parts.store.read(partial(conversations.message, bot=None, message_id=ids[0]))
    assert (answer.content, answer.finish) == ("one two", Finish.PARTIAL)


@pytest.mark.parametrize("engine", ["faulty"], indirect=True)
async def test_a_fault_of_ours_is_logged_once(url: str, parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    key = await parts.store.write(partial(keys.create_key, name="k", scope="user", at=utc_now()))
    body = {"model": "support", "messages": ASKED}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}) as client:
        reply = await client.post(f"{url}/v1/chat/completions", json=body)
    assert (reply.status_code, reply.json()["error"]["type"]) == (500, "server_error")
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1
