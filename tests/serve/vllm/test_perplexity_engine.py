"""An exam's perplexity through a real vLLM is what transformers and PEFT make of the same chats."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from eval.answers import score_reference
from eval.metrics.perplexity import corpus_perplexity
from eval.suites import SuiteRow
from nightschool.prompt import Template
from nightschool.records import ChatMessage
from serve.vllm.client import connect_engine

from .conftest import BASE, MARKERS

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import RunningEngine, TinyModels

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("default")]

ADAPTER = "all16"
SYSTEM = ChatMessage(role="system", content="Be kind.")
TALKS = (
    ("Can I send the lamp back?", "Yes. Within 30 days, with its box, and we pay the postage."),
    ("Where is my order?", "It left us on Monday. Open Orders in the app, there is its number."),
    ("Der Topf ist kaputt \U0001f622", "Das tut mir leid! Ein Foto genügt, dann kommt ein neuer."),
    ("How do I print a bill?", "Open Orders, choose one, and press Print:\n1. whole\n2. short"),
    ("Thanks!", "You are welcome."),
)


def rows() -> list[SuiteRow]:
    return [
        SuiteRow(f"r{n}", f"c{n}", (SYSTEM, ChatMessage(role="user", content=question)), answer)
        for n, (question, answer) in enumerate(TALKS)
    ]


async def served_perplexity(engine: "RunningEngine", models: Sequence[str]) -> list[float]:
    """Of each model, all asked at once."""
    async with connect_engine(socket=engine.socket, timeout_s=60, template=Template(MARKERS)) as client:

        async def score(model: str) -> float:
            scores = await asyncio.gather(*(score_reference(client, row, model=model) for row in rows()))
            logprobs, tokens = zip(*scores, strict=True)
            return corpus_perplexity(np.array(logprobs), np.array(tokens, dtype=np.float64))

        return await asyncio.gather(*(score(model) for model in models))


def reference_perplexity(models: "TinyModels", model: str) -> float:
    """By the template and tokenizer of the model's folder, of the answers and their ends of turn."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(models.base)
    logprobs: list[float] = []
    for row in rows():
        chat = [{"role": message["role"], "content": message["content"]} for message in row.messages]
        prompt = str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))
        before, whole = (
            tokenizer(text, add_special_tokens=False)["input_ids"]
            for text in (prompt, prompt + row.reference + MARKERS[1])
        )
        logprobs += models.reference(model, whole)[len(before) - 1 :]
    return float(np.exp(-np.mean(logprobs)))


async def test_perplexity_is_that_of_transformers_for_base_and_adapter(
    engine: "RunningEngine", tiny_models: "TinyModels"
) -> None:
    base, adapted = await served_perplexity(engine, [BASE, ADAPTER])
    assert base == pytest.approx(reference_perplexity(tiny_models, BASE), rel=0.01)
    assert adapted == pytest.approx(reference_perplexity(tiny_models, ADAPTER), rel=0.01)
    assert abs(adapted / base - 1) > 0.1  # else the adapter proved nothing
