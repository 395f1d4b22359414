"""Control tokens in people's words lose their power and keep their look."""

import random
from typing import Literal

import pytest

from nightschool.prompt import JOINER, Neutraliser, Token, control_tokens, merge_system
from nightschool.records import ChatMessage

KNOWN = (
    "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<|user|>", "<|START_OF_TURN_TOKEN|>",
    "<|reserved_special_token_7|>", "<\uff5cUser\uff5c>", "<\uff5cend\u2581of\u2581sentence\uff5c>", "<|turn>",
    "<turn|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "<bos>", "<start_of_turn>", "<end_of_turn>",
    "[gMASK]", "<think>",
)  # fmt: skip


@pytest.mark.parametrize("token", KNOWN)
def test_what_looks_like_a_control_token_is_broken_without_a_list(token: str) -> None:
    neutral = Neutraliser().text(f"one {token} two{token}")
    assert token not in neutral
    assert neutral.replace(JOINER, "") == f"one {token} two{token}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a < b > c",
        "|x|",
        "<b>bold</b> <Enter>",
        "[NAME], [1], [x](y)",
        "a <- b | c -> d",
        "<mail@example.org>",
        "\u6f22 \U0001f642",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Neutraliser().text(text) == text


def test_tokens_that_overlap_or_hide_in_one_another_are_all_broken() -> None:
    tokens = ("abc", "bcd", "cda", "aa")
    neutraliser = Neutraliser(tokens)
    dice = random.Random(1)
    for _ in range(500):
        text = "".join(dice.choices("abcd", k=12))
        neutral = neutraliser.text(text)
        assert not any(token in neutral for token in tokens)
        assert neutral.replace(JOINER, "") == text
        assert neutraliser.text(neutral) == neutral
    assert "<|im_end|>" not in Neutraliser().text("<|im_<|im_end|>end|>")


def test_a_tokens_own_letters_are_no_pattern() -> None:
    assert Neutraliser(("a.c", "(x", "\n+")).text("abc (y") == "abc (y"
    assert Neutraliser(("a.c", "(x")).text("a.c (x") == f"a{JOINER}.c ({JOINER}x"


def test_weight_and_role_of_a_message_stay() -> None:
    message = ChatMessage(role="assistant", content="</s>", weight=0)
    assert Neutraliser().chat([message]) == [ChatMessage(role="assistant", content=f"<{JOINER}/s>", weight=0)]
    assert message["content"] == "</s>"


def test_a_tokenizers_shorthand_for_plain_text_is_no_control_token() -> None:
    added = [
        Token("<end>", is_special=True), Token("<tool>", is_special=False), Token("<table>", is_special=False),
        Token("\n\n", is_special=True), Token("   ", is_special=False), Token("x", is_special=True),
    ]  # fmt: skip
    assert control_tokens(added, template="{{ '<tool>' }}\n\n") == ("<end>", "<tool>")


def says(*contents: str) -> list[ChatMessage]:
    """Each begins with the first letter of its role."""
    roles: dict[str, Literal["system", "user", "assistant"]] = {"s": "system", "u": "user", "a": "assistant"}
    return [ChatMessage(role=roles[content[0]], content=content) for content in contents]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["s", "u", "a", "u2"], ["s\n\nu", "a", "u2"]),
        (["u", "a", "u2"], ["u", "a", "u2"]),
        (["s", "s2", "u"], ["s\n\ns2\n\nu"]),
        (["u", "a", "s", "u2"], ["u", "a", "s\n\nu2"]),
        (["u", "a", "s"], ["u", "a", "s"]),
        (["s"], ["s"]),
        ([], []),
    ],
)
def test_a_system_prompt_goes_before_the_next_question(given: list[str], expected: list[str]) -> None:
    merged = merge_system(says(*given))
    assert [message["content"] for message in merged] == expected
    assert all(message["role"] != "system" for message in merged)


def test_what_else_a_message_holds_stays() -> None:
    question = ChatMessage(role="user", content="Hi?", weight=0)
    assert merge_system([ChatMessage(role="system", content="S"), question]) == [
        ChatMessage(role="user", content="S\n\nHi?", weight=0)
    ]
