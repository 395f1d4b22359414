"""What people write is text, never a command to the chat template: its control tokens are broken up in their words.

A tokenizer reads `<|im_end|>` in a message as the end of that message, so whoever writes it could speak as somebody
else. A word joiner (U+2060, no width) behind the first character keeps the look and leaves plain letters. Serving
(`serve.vllm.client`) and training (`tune.encode`) do the same to the same text, so both see the same token ids; the
record keeps what was written. Where a template takes no system prompt, both put it before the first question. Knows
nothing of tokenizers but their lists of tokens. Not covered: templates whose roles are plain words ("USER:"), which any
text may hold.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from nightschool.records import ChatMessage
from nightschool.tools import Tool

JOINER: Final = "\u2060"
KNOWN: Final = (
    r"<[|\uff5c][^<>|\uff5c\n]{1,60}[|\uff5c]>",  # ChatML, Llama 3, Phi, Zephyr, gpt-oss, DeepSeek, Cohere
    r"<[|\uff5c][A-Za-z_]{1,30}>|<[A-Za-z_]{1,30}[|\uff5c]>",  # Gemma 4
    r"\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|ARGS|THINK)\]",  # Mistral
    r"\[gMASK\]",  # GLM
    r"<</?SYS>>",  # Llama 2
    r"</?(?:s|bos|eos|pad|unk|sop|eop|think|tool_call|tool_response)>",
    r"<(?:start|end)_of_(?:turn|image|role)>",  # Gemma, Granite
)
"""How control tokens look: all that is known of an engine whose tokenizer is not at hand, and roles that a template
writes though its tokenizer has no token for them."""


class Token(NamedTuple):
    """A token that a tokenizer was given beside its vocabulary."""

    text: str
    is_special: bool


def control_tokens(added: Iterable[Token], *, template: str) -> tuple[str, ...]:
    """Those of a tokenizer's added tokens that command something: special ones, and any that its chat template writes.

    Runs of blanks and HTML tags, which some tokenizers hold to be short, are plain text.
    """
    return tuple(
        sorted(
            token.text
            for token in added
            if len(token.text.strip()) > 1 and (token.is_special or token.text in template)
        )
    )


class Template(NamedTuple):
    """What serving must know of a base model's chat template to ask it what training did."""

    control_tokens: tuple[str, ...] = ()
    takes_system: bool = True


class Neutraliser:
    """Breaks up the `tokens` of one model, and whatever looks like a control token, in people's words."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        # Looked at letter by letter, so that tokens which overlap are all broken.
        begins = "|".join([*KNOWN, *map(re.escape, tokens)])
        self._begins = re.compile(f"(?={begins})(.)", re.DOTALL)

    def text(self, text: str) -> str:
        """The same to a reader's eye; twice is once."""
        return self._begins.sub(rf"\1{JOINER}", text)

    def chat(self, messages: Sequence[ChatMessage]) -> list[ChatMessage]:
        """The messages with neutral contents and calls; all else of them stays."""
        neutral = [ChatMessage(**{**message, "content": self.text(message["content"])}) for message in messages]
        for message in neutral:
            if calls := message.get("tool_calls"):
                message["tool_calls"] = self._within(calls)
        return neutral

    def tools(self, tools: Sequence[Tool]) -> list[Tool]:
        """Tools with neutral words in them."""
        return [self._within(tool) for tool in tools]

    def _within(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case dict():
                return {name: self._within(one) for name, one in value.items()}
            case list() | tuple():
                return [self._within(one) for one in value]
        return value


def merge_system(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The messages as a template takes them that knows no system prompt: it goes before the next question.

    One behind which nobody asks becomes a question itself.
    """
    merged: list[ChatMessage] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting.append(message["content"])
        elif message["role"] == "user" and waiting:
            merged.append(ChatMessage(**{**message, "content": "\n\n".join([*waiting, message["content"]])}))
            waiting = []
        else:
            merged.append(message)
    return merged + ([ChatMessage(role="user", content="\n\n".join(waiting))] if waiting else [])
