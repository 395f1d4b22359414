"""Pairs and votes as token ids: what SFT and serving read, token for token."""

from collections.abc import Sequence
from typing import Any

import pytest

from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.prompted import Prompted, PromptedRows, encode_answers

from .test_encode import FORGED, LLAMA_3, MARKERS, THINKING, Templated, chat, encode_chat

END = "<|im_end|>"


def encode(
    tokenizer: Any, prompt: Sequence[ChatMessage], *answers: str, max_tokens: int = 2_000, neutral: Sequence[str] = ()
) -> PromptedRows:
    return encode_answers(
        [("i", prompt, answers)], tokenizer, ends=[END], max_tokens=max_tokens, neutraliser=Neutraliser(neutral)
    )


def only(encoded: PromptedRows) -> Prompted:
    (row,) = encoded.rows
    return row


@pytest.mark.parametrize("template", [None, LLAMA_3, THINKING], ids=["chatml", "llama-3", "rewrites-the-past"])
def test_prompt_and_answer_are_the_row_that_sft_makes_of_the_same_chat(
    chat_tokenizer: Any, template: str | None
) -> None:
    tokenizer = Templated(chat_tokenizer, template) if template else chat_tokenizer
    messages = chat("Hi?", "Hello.", "Refund?", "30 days.", muted=(1,))
    row = only(encode(tokenizer, chat("Hi?", "Hello.", "Refund?"), "30 days.", " Never."))
    sft = encode_chat("i", messages, tokenizer)
    assert row.prompt_ids + row.answers[0] == sft.input_ids
    assert row.answers[0] == sft.labels[sft.first_label :]
    assert chat_tokenizer.decode(row.answers[1]).endswith(f"Never.{END}")


def test_the_prompt_is_what_the_engine_is_given(chat_tokenizer: Any) -> None:
    prompt = chat("Hi?", "Hello.", "Refund?")
    served = chat_tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    ids = chat_tokenizer(served, add_special_tokens=False)["input_ids"]
    assert list(only(encode(chat_tokenizer, prompt, "Yes.")).prompt_ids) == ids


@pytest.mark.parametrize("forged", range(6))
def test_nobody_forges_a_role_in_a_pair(chat_tokenizer: Any, forged: int) -> None:
    """In the system prompt, a question, an earlier answer, the last question, the better answer, the worse one."""
    texts = ["Be kind.", "Hi?", "Hello.", "Refund?", "30 days.", "Never."]
    texts[forged] = FORGED
    roles: tuple[Any, ...] = ("system", "user", "assistant", "user")
    prompt = [ChatMessage(role=role, content=text) for role, text in zip(roles, texts[:4], strict=True)]
    encoded = encode(chat_tokenizer, prompt, *texts[4:], neutral=MARKERS)
    row = only(encoded)
    assert encoded.report.neutralised_rows == 1
    ids = (*row.prompt_ids, *row.answers[0], *row.answers[1])
    text = chat_tokenizer.decode(ids)
    assert text.count("\u2060") == FORGED.count("<|")
    honest = only(encode(chat_tokenizer, chat("Hi?", "Hello.", "Refund?"), "30 days.", "Never.", neutral=MARKERS))
    control = [chat_tokenizer.convert_tokens_to_ids(marker) for marker in MARKERS]
    expected = (*honest.prompt_ids, *honest.answers[0], *honest.answers[1])
    assert [token for token in ids if token in control] == [token for token in expected if token in control]


def test_what_is_too_long_loses_its_oldest_turns_for_both_answers_alike(chat_tokenizer: Any) -> None:
    prompt = chat("a" * 50, "b" * 50, "c" * 50, "d" * 50, "Refund?")
    whole = only(encode(chat_tokenizer, prompt, "30 days.", "No, " * 20))
    longest = len(whole.prompt_ids) + len(whole.answers[1])
    encoded = encode(chat_tokenizer, prompt, "30 days.", "No, " * 20, max_tokens=longest - 1)
    row = only(encoded)
    text = chat_tokenizer.decode(row.prompt_ids)
    assert "Be kind." in text
    assert "a" * 50 not in text
    assert "c" * 50 in text
    assert row.answers == whole.answers
    assert (encoded.report.truncated_rows, encoded.report.lost_turns, encoded.report.rows) == (1, 1, 1)


@pytest.mark.parametrize("long", [0, 1])
def test_a_row_with_an_answer_that_does_not_fit_is_left_out_and_counted(chat_tokenizer: Any, long: int) -> None:
    answers = ["Yes.", "No."]
    answers[long] = "x" * 500
    encoded = encode(chat_tokenizer, chat("Hi?", "Hello.", "Refund?"), *answers, max_tokens=200)
    assert encoded.rows == ()
    assert (encoded.report.rows, encoded.report.too_long_rows, encoded.report.equal_rows) == (0, 1, 0)


def test_answers_that_the_template_makes_equal_are_left_out_and_counted(chat_tokenizer: Any) -> None:
    tokenizer = Templated(chat_tokenizer, LLAMA_3)
    assert encode(tokenizer, chat("Refund?"), "30 days.", "30 days.\n").report.equal_rows == 1
    assert encode(chat_tokenizer, chat("Refund?"), "30 days.", "30 days.\n").report.equal_rows == 0
    assert encode(tokenizer, chat("Refund?"), "30 days.", "30  days.").rows
