"""What docs/clients.md says of LiteLLM and LangChain, by the libraries themselves (`scripts/chat-clients`)."""

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from collect import keys
from nightschool.records import utc_now
from serve.parts import Parts

from .test_legacy import run

PYTHON = Path(sys.prefix) / "clients" / "bin" / "python"
pytestmark = pytest.mark.skipif(
    not PYTHON.exists() and not os.environ.get("CI"), reason="no client libraries: scripts/chat-clients"
)
LITELLM = """
import json, os, litellm

def ask(**more):
    base, key = os.environ["OPENAI_API_BASE"], os.environ["OPENAI_API_KEY"]
    asked = [{"role": "user", "content": "hello there"}]
    return litellm.completion(model="openai/support", messages=asked, api_base=base, api_key=key, **more)

told = {}
told["whole"] = ask().choices[0].message.content
told["streamed"] = "".join(chunk.choices[0].delta.content or "" for chunk in ask(stream=True))
told["choices"] = len(ask(n=2).choices)
told["json"] = json.loads(ask(response_format={"type": "json_object"}).choices[0].message.content)
told["probable"] = len(ask(logprobs=True, top_logprobs=2).choices[0].logprobs.content[0].top_logprobs)
tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
for name, more in {"top_k": {"top_k": 5}, "tools": {"tools": tools}}.items():
    try:
        told[name] = ask(**more).choices[0].message.content
    except litellm.BadRequestError as error:
        told[name] = name in str(error)
print(json.dumps(told))
"""
LANGCHAIN = """
import json, os
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from openai import BadRequestError

def look() -> str:
    "Looks."

model = ChatOpenAI(model="support", base_url=os.environ["OPENAI_API_BASE"], api_key=os.environ["OPENAI_API_KEY"])
told = {}
told["whole"] = model.invoke("hello there").content
told["streamed"] = "".join(chunk.content for chunk in model.stream("hello there"))
told["batch"] = [answer.content for answer in model.batch(["hello there", "good bye"])]
told["choices"] = len(model.generate([[HumanMessage("hello there")]], n=2).generations[0])
told["probable"] = len(model.bind(logprobs=True).invoke("hello there").response_metadata["logprobs"]["content"])
call = AIMessage("", tool_calls=[{"name": "look", "args": {}, "id": "1"}])
history = [HumanMessage("look"), call, HumanMessage("hello there")]
told["history"] = model.invoke(history).content
told["json"] = model.with_structured_output(None, method="json_mode").invoke("hello there")
try:
    told["tools"] = model.bind_tools([look]).invoke("hello there").content
except BadRequestError as error:
    told["tools"] = "tools" in str(error)
print(json.dumps(told))
"""
ECHO = "[echo base] hello there"


@pytest.fixture(params=[False, True], ids=["strict", "lenient"])
async def key(parts: Parts, request: pytest.FixtureRequest) -> str:
    make = partial(keys.create_key, name="program", scope="user", is_lenient=request.param, at=utc_now())
    return await parts.store.write(make)


@pytest.fixture
def passed_over(request: pytest.FixtureRequest) -> str | bool:
    """What a program is told that asks for more than is served: an answer all the same, or that it is refused."""
    return ECHO if "lenient" in request.node.callspec.id else True


async def test_litellm(url: str, key: str, passed_over: str | bool, tmp_path: Path) -> None:
    local = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    told = json.loads((await run(url, key, tmp_path, "-c", LITELLM, program=PYTHON, **local)).splitlines()[-1])
    assert told == {
        "whole": ECHO, "streamed": ECHO, "choices": 2, "json": {"answer": ECHO}, "probable": 2, "top_k": passed_over,
        "tools": passed_over,
    }  # fmt: skip


async def test_langchain(url: str, key: str, passed_over: str | bool, tmp_path: Path) -> None:
    told = json.loads((await run(url, key, tmp_path, "-c", LANGCHAIN, program=PYTHON)).splitlines()[-1])
    assert told == {
        "whole": ECHO, "streamed": ECHO, "batch": [ECHO, "[echo base] good bye"], "choices": 2, "probable": 4,
        "history": ECHO, "json": {"answer": ECHO}, "tools": passed_over,
    }  # fmt: skip
