"""OpenAI's own client, as two callers use it: `mine` with one key, `theirs` with another."""

from collections.abc import AsyncIterator
from functools import partial

import openai
import pytest

from collect import keys
from nightschool.records import utc_now
from serve.parts import Parts


@pytest.fixture
async def mine(url: str, user_key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=user_key, max_retries=0) as client:
        yield client


@pytest.fixture
async def theirs(url: str, parts: Parts) -> AsyncIterator[openai.AsyncOpenAI]:
    key = await parts.store.write(partial(keys.create_key, name="other", scope="user", at=utc_now()))
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        yield client
