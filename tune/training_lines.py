"""The shapes of a training file's lines, as OpenAI writes them, and what each of them teaches.

A line is a chat (`messages`), two answers to one input (`input`, in both spellings), or a prompt with its completion,
which a `label` may call good or bad. Tools and calls of tools are put into words (JSON), since a row of a dataset is
text. Does not know files, tokens or how rows are trained on.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from nightschool.records import ChatMessage
from nightschool.text import PeoplesText
from tune.select import Lesson, Lineage, Pair, Rated
from tune.words import Word

Taught = Lesson | Pair | Rated
TOOLS: Final = "Tools that may be called, as JSON:"


class Format(StrEnum):
    """Of a whole file."""

    CHAT = "chat"
    PREFERENCE = "preference"
    COMPLETION = "completion"
    LABELLED = "labelled completion"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def _joined(content: object) -> object:
    """A list of text parts as one text."""
    if not isinstance(content, list) or not content:
        return content
    texts: list[str] = []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case _:
                return content
    return "\n".join(texts)


class _Function(_Part):
    name: Annotated[str, Field(min_length=1)]
    arguments: PeoplesText


class _ToolCall(_Part):
    id: str
    type: Literal["function"]
    function: _Function


class _ToolFunction(_Part):
    name: Annotated[str, Field(min_length=1)]
    description: PeoplesText | None = None
    parameters: dict[str, JsonValue] | None = None
    strict: bool | None = None


class _Tool(_Part):
    type: Literal["function"]
    function: _ToolFunction


class _Message(_Part):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[PeoplesText | None, BeforeValidator(_joined)] = None
    weight: Annotated[int, Field(ge=0, le=1)] | None = None
    name: str | None = None
    refusal: PeoplesText | None = None
    tool_calls: Annotated[tuple[_ToolCall, ...], Field(min_length=1)] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        if self.role != "assistant" and (self.weight is not None or self.tool_calls or self.refusal is not None):
            raise ValueError("only an assistant's message has weight, tool_calls or refusal")
        if self.content is None and not self.tool_calls and self.refusal is None:
            raise ValueError("has no content")
        if self.role == "assistant" and not self.text().strip():
            raise ValueError("an assistant's message must say something")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise ValueError("a tool's message, and no other, has a tool_call_id")
        return self

    def text(self) -> str:
        calls = [_call_text(call.function) for call in self.tool_calls or ()]
        return "\n".join(filter(None, (self.content or self.refusal, *calls)))

    def to_message(self) -> ChatMessage:
        roles: Mapping[str, Literal["system", "user"]] = {"developer": "system", "system": "system"}
        if self.role != "assistant":
            return ChatMessage(role=roles.get(self.role, "user"), content=self.text())
        message = ChatMessage(role="assistant", content=self.text())
        return message if self.weight is None else ChatMessage(**message, weight=self.weight)


class _Chat(_Part):
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    tools: tuple[_Tool, ...] = ()
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _teaches(self) -> Self:
        if self.messages[-1].role != "assistant":
            raise ValueError("the last message must be the assistant's")
        if all(message.role != "assistant" or message.weight == 0 for message in self.messages):
            raise ValueError("no message of the assistant has weight 1: nothing would be learnt")
        return self

    def taught(self, name: str) -> Taught:
        return Lesson(name, (*_context(self.messages, self.tools),), _lineage(name))


class _Input(_Part):
    messages: Annotated[tuple[_Message, ...], Field(min_length=1)]
    tools: tuple[_Tool, ...] = ()
    parallel_tool_calls: bool | None = None

    @model_validator(mode="after")
    def _asks(self) -> Self:
        if self.messages[-1].role == "assistant":
            raise ValueError("the last message of an input must not be the assistant's")
        return self


class _Answer(_Message):
    role: Literal["assistant"]


_OneAnswer = Annotated[tuple[_Answer, ...], Field(min_length=1, max_length=1)]


class _Preference(_Part):
    input: _Input
    preferred_output: _OneAnswer = Field(validation_alias=AliasChoices("preferred_output", "preferred_completion"))
    non_preferred_output: _OneAnswer = Field(
        validation_alias=AliasChoices("non_preferred_output", "non_preferred_completion")
    )

    @model_validator(mode="after")
    def _compares(self) -> Self:
        if self.preferred_output[0].text() == self.non_preferred_output[0].text():
            raise ValueError("both answers are the same")
        return self

    def taught(self, name: str) -> Taught:
        prompt = (*_context(self.input.messages, self.input.tools),)
        better, worse = self.preferred_output[0].text(), self.non_preferred_output[0].text()
        return Pair(name, prompt, better, worse, _lineage(name), Word.IMPORTED)


class _Completion(_Part):
    prompt: PeoplesText
    completion: Annotated[PeoplesText, Field(min_length=1)]

    def asked(self) -> ChatMessage:
        return ChatMessage(role="user", content=self.prompt)

    def taught(self, name: str) -> Taught:
        answer = ChatMessage(role="assistant", content=self.completion)
        return Lesson(name, (self.asked(), answer), _lineage(name))


class _Labelled(_Completion):
    label: bool

    def taught(self, name: str) -> Taught:
        return Rated(name, (self.asked(),), self.completion, self.label, _lineage(name))


_SHAPES: Final[Mapping[Format, type[_Chat | _Preference | _Completion]]] = {
    Format.CHAT: _Chat,
    Format.PREFERENCE: _Preference,
    Format.COMPLETION: _Completion,
    Format.LABELLED: _Labelled,
}


def format_of(keys: Iterable[str]) -> Format | None:
    """What a line with these keys means to be."""
    names = frozenset(keys)
    if "messages" in names:
        return Format.CHAT
    if "input" in names:
        return Format.PREFERENCE
    if "prompt" in names or "completion" in names:
        return Format.LABELLED if "label" in names else Format.COMPLETION
    return None


def read_line(line: bytes, kind: Format, *, name: str) -> Taught:
    """What the line teaches; `name` stands for the conversation it is. Raises pydantic's ValidationError."""
    return _SHAPES[kind].model_validate_json(line).taught(name)


def texts_of(taught: Taught) -> tuple[list[str], list[str]]:
    """All that the row says, and of it what is learnt."""
    if isinstance(taught, Lesson):
        learnt = [m["content"] for m in taught.messages if m["role"] == "assistant" and m.get("weight", 1)]
        return [message["content"] for message in taught.messages], learnt
    asked = [message["content"] for message in taught.prompt]
    answers = [taught.chosen, taught.rejected] if isinstance(taught, Pair) else [taught.answer]
    return [*asked, *answers], answers


def least_of(taught: Taught) -> list[str]:
    """What is left of the row where it is as short as can be: its system prompt, last question and longest answer."""
    if isinstance(taught, Lesson):
        prompt, answer = taught.messages[:-1], taught.messages[-1]["content"]
    else:
        answers = (taught.chosen, taught.rejected) if isinstance(taught, Pair) else (taught.answer,)
        prompt, answer = taught.prompt, max(answers, key=len)
    kept = [m for m in prompt[:1] if m["role"] == "system"] + list(prompt[-1:])
    return [*(message["content"] for message in kept), answer]


def _context(messages: Sequence[_Message], tools: Sequence[_Tool]) -> list[ChatMessage]:
    """The messages; tools stand behind the system prompt, or are one."""
    chat = [message.to_message() for message in messages]
    if not tools:
        return chat
    told = "\n".join([TOOLS, *(_as_json(tool.function.model_dump(exclude_none=True)) for tool in tools)])
    if chat[0]["role"] == "system":
        return [ChatMessage(role="system", content=f"{chat[0]['content']}\n\n{told}"), *chat[1:]]
    return [ChatMessage(role="system", content=told), *chat]


def _call_text(call: _Function) -> str:
    return _as_json({"name": call.name, "arguments": call.arguments})


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lineage(name: str) -> Lineage:
    return Lineage((name,), (), (), True)
