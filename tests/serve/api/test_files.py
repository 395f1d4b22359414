"""/v1/files by the real `openai` client, and what no client would send."""

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from nightschool.fine_tuning_part import FineTuningSettings
from nightschool.settings import Settings
from serve.parts import Parts

ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There, on its way."}]}


def jsonl(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


FILE = jsonl(*[ROW] * 3)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = FineTuningSettings(max_file_bytes=200_000, max_key_bytes=300_000)
    return settings.model_copy(update={"fine_tuning": limits})


NewClient = Callable[[str], Any]


async def test_a_file_is_taken_listed_read_and_deleted(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    made = await mine.files.create(file=("train.jsonl", FILE), purpose="fine-tune")
    assert (made.object, made.bytes, made.filename, made.status) == ("file", len(FILE), "train.jsonl", "processed")
    about = made.model_dump()["nightschool"]
    assert (about["format"], about["rows"]) == ("chat", 3)
    assert 0 < about["trained_tokens"] < about["tokens"]
    assert (await mine.files.retrieve(made.id)).id == made.id
    assert (await mine.files.content(made.id)).content == FILE
    assert [file.id async for file in mine.files.list()] == [made.id]
    assert (await mine.files.delete(made.id)).deleted
    with pytest.raises(openai.NotFoundError):
        await mine.files.retrieve(made.id)
    assert list(parts.home.uploads.iterdir()) == []
    assert list(parts.home.temp.iterdir()) == []


async def test_a_list_comes_in_pages_and_by_purpose(mine: openai.AsyncOpenAI) -> None:
    made = [(await mine.files.create(file=(f"{n}.jsonl", FILE), purpose="fine-tune")).id for n in range(5)]
    assert [file.id async for file in mine.files.list(limit=2)] == made[::-1]
    assert [file.id async for file in mine.files.list(limit=2, order="asc")] == made
    page = await mine.files.list(after=made[1], order="asc", limit=2)
    assert ([file.id for file in page.data], page.has_more) == (made[2:4], True)
    assert [file.id async for file in mine.files.list(purpose="batch")] == []
    with pytest.raises(openai.NotFoundError):
        await mine.files.list(after="file-none")


async def test_equal_files_share_their_bytes_until_the_last_goes(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    one, two = [await mine.files.create(file=("a.jsonl", FILE), purpose="fine-tune") for _ in range(2)]
    assert len(list(parts.home.uploads.iterdir())) == 1
    await mine.files.delete(one.id)
    assert (await mine.files.content(two.id)).content == FILE
    await mine.files.delete(two.id)
    assert list(parts.home.uploads.iterdir()) == []


async def test_two_keys_never_see_each_others_files(mine: openai.AsyncOpenAI, theirs: openai.AsyncOpenAI) -> None:
    made = await mine.files.create(file=("a.jsonl", FILE), purpose="fine-tune")
    assert [file.id async for file in theirs.files.list()] == []
    for ask in (theirs.files.retrieve, theirs.files.content, theirs.files.delete):
        with pytest.raises(openai.NotFoundError):
            await ask(made.id)
    with pytest.raises(openai.NotFoundError):
        await theirs.files.list(after=made.id)
    assert (await mine.files.retrieve(made.id)).id == made.id


async def test_a_fault_in_line_37_of_500_is_told(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    rows: list[Any] = [ROW] * 500
    rows[36] = {"messages": [{"role": "user", "content": "x"}]}
    with pytest.raises(openai.BadRequestError, match="file, line 37: the last message must be") as refused:
        await mine.files.create(file=("a.jsonl", jsonl(*rows)), purpose="fine-tune")
    assert (refused.value.code, refused.value.param) == ("invalid_file_format", "file")
    assert [file.id async for file in mine.files.list()] == []
    assert list(parts.home.temp.iterdir()) == []


@pytest.mark.parametrize("purpose", ["vision", "batch", "assistants", "anything"])
async def test_other_purposes_are_refused_by_name(mine: openai.AsyncOpenAI, purpose: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await mine.files.create(file=("a.jsonl", FILE), purpose=purpose)
    assert refused.value.param == "purpose"
    assert purpose == "anything" or purpose in str(refused.value)


async def test_what_is_too_large_is_refused(mine: openai.AsyncOpenAI, parts: Parts) -> None:
    with pytest.raises(openai.APIStatusError, match="larger than 200000 bytes") as refused:
        await mine.files.create(file=("a.jsonl", jsonl(*[ROW] * 3000)), purpose="fine-tune")
    assert refused.value.status_code == 413
    large = jsonl(*[ROW] * 1500)
    for _ in range(300_000 // len(large)):
        await mine.files.create(file=("a.jsonl", large), purpose="fine-tune")
    with pytest.raises(openai.RateLimitError, match="may have 300000"):
        await mine.files.create(file=("a.jsonl", large), purpose="fine-tune")
    assert list(parts.home.temp.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xff\xfe\x00", b"%PDF-1.4", jsonl({"messages": []})])
async def test_what_is_no_training_file_is_refused(mine: openai.AsyncOpenAI, content: bytes) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await mine.files.create(file=("a.jsonl", content), purpose="fine-tune")
    assert refused.value.code == "invalid_file_format"


async def test_a_file_of_one_deletion_and_one_upload_at_once_is_whole(mine: openai.AsyncOpenAI) -> None:
    made = (await mine.files.create(file=("a.jsonl", FILE), purpose="fine-tune")).id
    for _ in range(5):
        new, _ = await asyncio.gather(
            mine.files.create(file=("a.jsonl", FILE), purpose="fine-tune"), mine.files.delete(made)
        )
        made = new.id
        assert (await mine.files.content(made)).content == FILE


@pytest.mark.parametrize("path", ["train.jsonl", ".%2Fdata%2Ftrain.jsonl", "%00", "%ED%A0%80", "file-", "file-%27--"])
async def test_an_unknown_file_is_openais_404(client: httpx.AsyncClient, path: str) -> None:
    for reply in (
        await client.get(f"/v1/files/{path}"),
        await client.get(f"/v1/files/{path}/content"),
        await client.delete(f"/v1/files/{path}"),
    ):
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] == "not_found"


async def test_no_malformed_request_is_a_fault_of_ours(client: httpx.AsyncClient, parts: Parts) -> None:
    draw = random.Random(7)
    whole = httpx.Request("POST", "http://x/v1/files", files={"file": ("a.jsonl", FILE)}, data={"purpose": "fine-tune"})
    body, kind = whole.read(), whole.headers["content-type"]
    kinds = [kind, "multipart/form-data", "multipart/form-data; boundary=", "application/json", "text/plain; =", ""]
    for _ in range(1000):
        broken = bytearray(body)
        for _ in range(draw.randrange(1, 6)):
            broken[draw.randrange(len(broken))] = draw.randrange(256)
        content = bytes(broken[: draw.randrange(len(broken) + 1)]) if draw.random() < 0.5 else bytes(broken)
        header = kind if draw.random() < 0.8 else draw.choice(kinds)
        reply = await client.post("/v1/files", content=content, headers={"content-type": header})
        assert reply.status_code < 500, (header, content)
        if reply.status_code != 200:
            assert reply.json()["error"]["message"]
    for query in (
        "limit=0",
        "limit=x",
        "limit=²",
        "limit=-1",
        "order=up",
        "after=%00",
        "after=%ED%A0%80",
        "purpose=%00",
    ):
        assert (await client.get(f"/v1/files?{query}")).status_code < 500, query
    assert list(parts.home.temp.iterdir()) == []
