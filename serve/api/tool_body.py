"""A chat completion's tools in OpenAI's words: those that are offered, what was called before, and what was found.

For engines that were started with a parser of tools. Checks shapes, and that what was found answers a call. Does not
know which engine answers.
"""

import json
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from nightschool.engine import Wishes
from nightschool.json_schema import check_schema
from nightschool.records import ChatMessage
from nightschool.text import PeoplesText
from nightschool.tools import CalledFunction, ToolCall
from serve.api.faults import BadParameter
from serve.api.parameters import MAX_MESSAGES, ChatBody, ChatPart, ChatTurn
from serve.api.wishes import Part

MAX_TOOLS: Final = 128
MAX_TOOLS_CHARS: Final = 60_000
"""Of all tools together, as JSON: the record keeps them with each answer."""
MAX_CALLS: Final = 128
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
CallId = Annotated[PeoplesText, Field(min_length=1, max_length=128)]


def _checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    check_schema(schema)
    return schema


class FunctionPart(Part):
    name: Name
    description: Annotated[str, Field(max_length=4_000)] | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(_checked_schema)] | None = None
    """A JSON Schema."""
    strict: bool | None = None


class ToolPart(Part):
    type: Literal["function"]
    function: FunctionPart


class NamedFunction(Part):
    name: Name


class NamedChoice(Part):
    type: Literal["function"]
    function: NamedFunction


class CalledPart(ChatPart):
    name: Name
    arguments: PeoplesText
    """As the model wrote it."""


class CallPart(ChatPart):
    id: CallId
    type: Literal["function"] = "function"
    function: CalledPart

    def to_call(self) -> ToolCall:
        function = CalledFunction(name=self.function.name, arguments=self.function.arguments)
        return ToolCall(id=self.id, type="function", function=function)


def _as_tuple(given: object) -> object:
    """A list, which a turn's own validator has made of JSON's array."""
    return tuple(given) if isinstance(given, list) else given


class ToolTurn(ChatTurn):
    takes_tools: ClassVar[bool] = True

    tool_calls: Annotated[tuple[CallPart, ...] | None, Field(max_length=MAX_CALLS), BeforeValidator(_as_tuple)] = None
    """Of an assistant's turn."""
    tool_call_id: CallId | None = None
    """Of a turn of `tool`: which call it answers."""

    @model_validator(mode="after")
    def _fits_its_role(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise PydanticCustomError("tool_calls_of", "has tool_calls, and only an assistant's message may")
        if (self.role == "tool") != (self.tool_call_id is not None):
            raise PydanticCustomError("tool_call_id_of", "a tool's message, and no other, has a tool_call_id")
        return self

    def to_message(self) -> ChatMessage:
        message = super().to_message()
        if self.tool_calls:
            message["tool_calls"] = tuple(call.to_call() for call in self.tool_calls)
        if self.tool_call_id is not None:
            message["tool_call_id"] = self.tool_call_id
        return message


def _short(tools: tuple[ToolPart, ...]) -> tuple[ToolPart, ...]:
    if sum(len(tool.model_dump_json()) for tool in tools) > MAX_TOOLS_CHARS:
        raise PydanticCustomError("too_long", "are longer than {limit} characters", {"limit": MAX_TOOLS_CHARS})
    names = [tool.function.name for tool in tools]
    if len(set(names)) < len(names):
        raise PydanticCustomError("twice", "name a function twice")
    return tools


class ToolBody(ChatBody):
    """The body of POST /v1/chat/completions where tools are served."""

    messages: Annotated[tuple[ToolTurn, ...], Field(min_length=1, max_length=MAX_MESSAGES)]
    tools: Annotated[tuple[ToolPart, ...], Field(max_length=MAX_TOOLS), AfterValidator(_short)] | None = None
    """Functions that the answer may call; the caller runs them."""
    tool_choice: Literal["none", "auto", "required"] | NamedChoice | None = None
    """Whether it may, must, or must call one by name."""
    parallel_tool_calls: bool | None = None
    """False: one call at most."""

    def to_wishes(self) -> Wishes:
        """Raises BadParameter for a choice among tools that are not there, and for what answers no call."""
        self._check_answers()
        names = [tool.function.name for tool in self.tools or ()]
        choice = self.tool_choice or ("auto" if names else None)
        if isinstance(choice, NamedChoice) and choice.function.name not in names:
            raise _bad("names a function that is not among the tools", "tool_choice.function.name")
        if choice not in (None, "none") and not names:
            raise _bad("is set, and there are no tools", "tool_choice")
        if not names:
            return super().to_wishes()
        return replace(
            super().to_wishes(),
            tools=tuple(json.loads(tool.model_dump_json(exclude_none=True)) for tool in self.tools or ()),
            tool_choice=choice.model_dump() if isinstance(choice, NamedChoice) else choice,
            parallel_tool_calls=self.parallel_tool_calls,
        )

    def _check_answers(self) -> None:
        called: set[str] = set()
        for position, turn in enumerate(self.messages):
            called.update(call.id for call in turn.tool_calls or ())
            if turn.tool_call_id is not None and turn.tool_call_id not in called:
                raise _bad("answers no call of a message before it", f"messages[{position}].tool_call_id")


def _bad(problem: str, param: str) -> BadParameter:
    return BadParameter(problem, param=param, openai_code="invalid_value")
