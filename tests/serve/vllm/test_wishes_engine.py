"""What callers wish that only a real engine can meet comes through our API: JSON, log-probabilities, biases, calls."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import openai
import pytest

from nightschool.prompt import Template
from nightschool.settings import EngineSettings, Settings
from serve.vllm.client import VllmEngine, connect_engine

from .conftest import MARKERS

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import RunningEngine, TinyModels

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]

ASKED: Any = [{"role": "user", "content": "Hi?"}]
STATES = ["kept", "lost"]
SCHEMA = {
    "type": "object",
    "properties": {"state": {"type": "string", "enum": STATES}},
    "required": ["state"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "function": {"name": "set", "parameters": SCHEMA}}


@pytest.fixture
async def engine(engine: "RunningEngine") -> AsyncIterator[VllmEngine]:
    async with connect_engine(socket=engine.socket, timeout_s=120, template=Template(MARKERS)) as client:
        yield client


@pytest.fixture
async def mine(url: str, user_key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=user_key, max_retries=0) as client:
        yield client


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"engine": EngineSettings(kind="echo", tool_parser="hermes")})


@pytest.fixture
def no_blanks(tiny_models: "TinyModels") -> Any:
    """A bias against what JSON may hold without end between its signs."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_models.base)
    return {str(tokenizer.encode(blank, add_special_tokens=False)[0]): -100 for blank in " \n\r\t"}


async def test_log_probabilities_of_several_answers(mine: openai.AsyncOpenAI) -> None:
    reply = await mine.chat.completions.create(
        model="support", messages=ASKED, max_tokens=20, logprobs=True, top_logprobs=2, n=2, temperature=1.0
    )
    assert len({choice.message.content for choice in reply.choices}) == 2
    for choice in reply.choices:
        tokens = (choice.logprobs and choice.logprobs.content) or []
        assert tokens
        assert all(token.logprob <= 0 and len(token.top_logprobs) == 2 for token in tokens)


async def test_a_bias_is_heard(mine: openai.AsyncOpenAI, tiny_models: "TinyModels") -> None:
    from transformers import AutoTokenizer

    token = AutoTokenizer.from_pretrained(tiny_models.base).encode("x", add_special_tokens=False)[0]
    reply = await mine.chat.completions.create(
        model="support", messages=ASKED, max_tokens=5, temperature=0, logit_bias={str(token): 100}
    )
    assert reply.choices[0].message.content == "xxxxx"


async def test_an_answer_fits_its_schema(mine: openai.AsyncOpenAI, no_blanks: Any) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "state", "strict": True, "schema": SCHEMA}}
    reply = await mine.chat.completions.create(
        model="support", messages=ASKED, response_format=form, logit_bias=no_blanks
    )
    assert json.loads(reply.choices[0].message.content or "")["state"] in STATES


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "set"}}], ids=["required", "named"]
)
async def test_a_call_that_must_be_made_is_made(mine: openai.AsyncOpenAI, no_blanks: Any, choice: Any) -> None:
    # A byte is a token here, and a random model would call without end.
    bounds = {"max_tokens": 120, "parallel_tool_calls": False}
    asked: Any = {"model": "support", "messages": ASKED, "tools": [TOOL], "tool_choice": choice, **bounds}
    whole = await mine.chat.completions.create(**asked, logit_bias=no_blanks)
    async with mine.chat.completions.stream(**asked, logit_bias=no_blanks) as stream:
        streamed = await stream.get_final_completion()
    for reply in (whole, streamed):
        [said] = reply.choices
        assert (said.finish_reason, said.message.content or None) == ("tool_calls", None)
        [call] = said.message.tool_calls or []
        assert call.function.name == "set"
        assert json.loads(call.function.arguments)["state"] in STATES
    call = (whole.choices[0].message.tool_calls or [])[0]
    found = {"role": "tool", "tool_call_id": call.id, "content": "Done."}
    history: Any = [*ASKED, whole.choices[0].message, found]
    told = await mine.chat.completions.create(model="support", messages=history, tools=[TOOL], tool_choice="none")
    assert not told.choices[0].message.tool_calls


async def test_a_run_of_an_eval_asks_the_engine(mine: openai.AsyncOpenAI) -> None:
    lines = [json.dumps({"item": {"q": question, "a": "x"}}) for question in ("Hi?", "Where?")]
    file = await mine.files.create(file=("rows.jsonl", "\n".join(lines).encode()), purpose="evals")
    reference: Any = {"input": "{{sample.output_text}}", "reference": "{{item.a}}"}
    check: Any = {"type": "string_check", "name": "names x", "operation": "ilike", **reference}
    near: Any = {"type": "text_similarity", "name": "near", "evaluation_metric": "fuzzy_match", "pass_threshold": 0}
    item: Any = {"type": "object", "properties": {"q": {"type": "string"}, "a": {"type": "string"}}}
    made = await mine.evals.create(
        data_source_config={"type": "custom", "item_schema": item, "include_sample_schema": True},
        testing_criteria=[check, near | reference],
    )
    source: Any = {
        "type": "completions",
        "source": {"type": "file_id", "id": file.id},
        "model": "support",
        "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.q}}"}]},
        "sampling_params": {"max_completion_tokens": 8},
    }
    run: Any = await mine.evals.runs.create(made.id, data_source=source)
    async with asyncio.timeout(60):
        while run.status in {"queued", "in_progress"}:
            await asyncio.sleep(0.1)
            run = await mine.evals.runs.retrieve(run.id, eval_id=made.id)
    assert (run.status, run.result_counts.total, run.result_counts.errored) == ("completed", 2, 0)
    outputs = [one async for one in mine.evals.runs.output_items.list(run.id, eval_id=made.id)]
    assert all(one.sample.usage.completion_tokens and len(one.results) == 2 for one in outputs)
