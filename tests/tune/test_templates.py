"""Chats of every family are learnt as they are answered: the answer and its end of turn, and nothing else.

The templates are written anew after what the families' own do; the tokenizer has a token a byte and their markers.
"""

from typing import Any, NamedTuple

import pytest

from nightschool.prompt import Neutraliser, merge_system
from nightschool.records import ChatMessage
from tune.encode import Encoded, encode_rows, takes_system

from .conftest import CHATML, byte_tokenizer
from .test_encode import chat, learnt


class Family(NamedTuple):
    template: str
    markers: tuple[str, ...]
    end: str
    """The token at which the engine stops."""
    is_cut: bool = False
    """Whether one answer of a chat can be marked at a time."""
    takes_system: bool = True


LLAMA_3 = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN_2 = "{% if messages[0]['role'] != 'system' %}<|im_start|>system\nYou help.<|im_end|>\n{% endif %}" + CHATML
QWEN_3 = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GEMMA_TURNS = (
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must take turns') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n"
    "{% if loop.first %}{{ before }}{% endif %}{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
GEMMA_3 = (
    "<bos>{% set before = '' %}{% if messages[0]['role'] == 'system' %}"
    "{% set before = messages[0]['content'] + '\n\n' %}{% set messages = messages[1:] %}{% endif %}" + GEMMA_TURNS
)
GEMMA_2 = (
    "<bos>{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}" + GEMMA_TURNS
)
DEAF = "<bos>{% if messages[0]['role'] == 'system' %}{% set messages = messages[1:] %}{% endif %}" + GEMMA_TURNS
PHI_3 = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% else %}<|endoftext|>{% endif %}"
)
GEMMA_MARKERS = ("<bos>", "<start_of_turn>", "<end_of_turn>")
FAMILIES = {
    "llama-3": Family(
        LLAMA_3, ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"), "<|eot_id|>"
    ),
    "qwen-2": Family(QWEN_2, (), "<|im_end|>"),
    "qwen-3": Family(QWEN_3, ("<think>", "</think>"), "<|im_end|>", is_cut=True),
    "gemma-3": Family(GEMMA_3, GEMMA_MARKERS, "<end_of_turn>"),
    "gemma-2": Family(GEMMA_2, GEMMA_MARKERS, "<end_of_turn>", takes_system=False),
    "deaf": Family(DEAF, GEMMA_MARKERS, "<end_of_turn>", takes_system=False),
    "phi-3": Family(PHI_3, ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>"), "<|end|>"),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def tokenizer_of(family: Family) -> Any:
    tokenizer = byte_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": list(family.markers)})
    tokenizer.chat_template = family.template
    return tokenizer


def encode(name: str, messages: list[ChatMessage], *, max_tokens: int = 4096) -> tuple[Any, list[Encoded]]:
    """The family's tokenizer and the rows of the chat."""
    tokenizer = tokenizer_of(FAMILIES[name])
    neutraliser = Neutraliser(FAMILIES[name].markers)
    rows, _ = encode_rows(
        [("i", messages)], tokenizer, ends={FAMILIES[name].end}, max_tokens=max_tokens, neutraliser=neutraliser
    )
    return tokenizer, list(rows)


def answers(name: str, *texts: str) -> list[str]:
    """How the texts are learnt."""
    thought = "<think>\n\n</think>\n\n" if name == "qwen-3" else ""
    return [f"{thought}{text}{FAMILIES[name].end}" for text in texts]


@every_family
def test_answers_and_their_end_are_learnt_and_nothing_else(name: str) -> None:
    tokenizer, rows = encode(name, chat("Hi?", "Hello.", "Refund?", "30 days."))
    assert [text for row in rows for text in learnt(row, tokenizer)] == answers(name, "Hello.", "30 days.")
    assert len(rows) == (2 if FAMILIES[name].is_cut else 1)
    end = tokenizer.convert_tokens_to_ids(FAMILIES[name].end)
    assert all(row.labels[-1] == end for row in rows)


@every_family
def test_an_answer_of_weight_0_is_context(name: str) -> None:
    tokenizer, rows = encode(name, chat("Hi?", "Hello.", "Refund?", "30 days.", "And?", "No.", muted=(1, 5)))
    assert [text for row in rows for text in learnt(row, tokenizer)] == answers(name, "30 days.")
    assert all("Hello." in tokenizer.decode(row.input_ids) for row in rows)


@every_family
def test_what_is_trained_is_what_serving_asks(name: str) -> None:
    """vLLM renders with the same template what `serve.vllm.client` sends it."""
    family, messages = FAMILIES[name], chat("Hi <b>?", "Hello.", "Ref<end_of_turn>und?", "30 days.")
    tokenizer, rows = encode(name, messages)
    neutral = Neutraliser(family.markers).chat(messages[:-1])
    sent = neutral if family.takes_system else merge_system(neutral)
    asked = tokenizer.apply_chat_template(sent, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(asked, add_special_tokens=False)["input_ids"]
    row = rows[-1]
    assert list(row.input_ids[: len(ids)]) == ids
    assert "Be kind." in asked
    assert set(row.labels[: len(ids)]) <= {-100, *row.input_ids[: len(ids)]}
    assert row.labels[len(ids)] == row.input_ids[len(ids)]


@every_family
def test_which_templates_take_a_system_prompt_is_seen(name: str) -> None:
    assert takes_system(tokenizer_of(FAMILIES[name])) is FAMILIES[name].takes_system


@every_family
def test_a_cut_chat_keeps_its_system_prompt(name: str) -> None:
    messages = chat("a" * 90, "b" * 90, "Refund?", "30 days.")
    tokenizer, whole = encode(name, messages)
    _, rows = encode(name, messages, max_tokens=len(whole[-1].input_ids) - 1)
    text = tokenizer.decode(rows[-1].input_ids)
    assert "Be kind." in text
    assert "a" * 90 not in text
