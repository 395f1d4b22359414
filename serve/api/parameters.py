"""What a chat completion may ask for, in OpenAI's words, and what we make of each parameter.

Served, harmless, or refused by name: nothing is passed over that would change the answer. Does not know the bots.
"""

import json
from collections.abc import Mapping, Set
from itertools import islice
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from nightschool.bots import SamplingPart
from nightschool.records import ChatMessage, Role, Sampling
from nightschool.text import PeoplesText
from serve.api.faults import BadParameter
from serve.api.wishes import WishedBody

MAX_CHOICES: Final = 8
MAX_NAME_CHARS: Final = 80
MAX_MESSAGES: Final = 512
"""Each becomes a row of the record."""
SEED_BOUND: Final = 2**63
METADATA_PAIRS: Final = 16
METADATA_NAME_CHARS: Final = 64
METADATA_CHARS: Final = 512
IGNORED: Final = frozenset(
    {
        "metadata",
        "parallel_tool_calls",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "user",
    }
)
"""Say something about a request, not about its answer. Who asked, and `metadata`, are recorded."""
INERT: Final[Mapping[str, tuple[object, ...]]] = {
    "audio": (None,),
    "function_call": (None, "none"),
    "functions": (None, []),
    "modalities": (None, ["text"]),
    "prediction": (None,),
    "reasoning_effort": (None,),
    "tool_choice": (None, "none"),
    "tools": (None, []),
    "verbosity": (None,),
    "web_search_options": (None,),
}
"""Parameters of OpenAI's that are not served, with the values that ask for nothing."""
NO_PARSER: Final = "Leave it out, or set engine.tool_parser to the base model's."
REMEDIES: Final[Mapping[str, str]] = {"tools": NO_PARSER, "tool_choice": NO_PARSER}
TOLD_BEFORE: Final = frozenset({"annotations", "function_call", "refusal", "tool_calls"})
"""Of an assistant's turn in the history."""
INERT_IN_MESSAGE: Final[Mapping[str, tuple[object, ...]]] = {
    "annotations": (None, []),
    "audio": (None,),
    "function_call": (None,),
    "refusal": (None,),
    "tool_calls": (None, []),
}
"""What a reply of ours, or another's, holds when it is sent back as history."""


def _joined_text(content: object) -> object:
    """OpenAI's list of text parts as one text."""
    if not isinstance(content, list):
        return content
    texts: list[str] = []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": str(kind)} if kind != "text":
                raise PydanticCustomError(
                    "unsupported", "holds a part of type {kind}; this bot reads text only", {"kind": kind[:40]}
                )
            case _:
                raise PydanticCustomError("part_type", 'must be a text or a list of {{"type": "text", "text": "..."}}')
    return "\n".join(texts)


def _as_texts(stop: object) -> object:
    match stop:
        case None:
            return ()
        case str():
            return (stop,)
        case list():
            return tuple(stop)
    return stop


class ChatPart(BaseModel):
    model_config = ConfigDict(
        frozen=True, strict=True, extra="allow", allow_inf_nan=False, use_attribute_docstrings=True
    )


class ChatTurn(ChatPart):
    takes_tools: ClassVar[bool] = False

    role: Literal["system", "developer", "user", "assistant", "tool"]
    """`developer` is read as `system`; `tool` needs an engine with a parser of tools (`serve.api.tool_body`)."""
    content: Annotated[PeoplesText, BeforeValidator(_joined_text)]
    """A text or a list of text parts, without what nobody sees in it."""
    name: str | None = None
    """Accepted and not used."""

    @field_validator("role")
    @classmethod
    def _needs_parser(cls, role: str) -> str:
        if role == "tool" and not cls.takes_tools:
            raise PydanticCustomError("tools_off", "is served where engine.tool_parser is set, which it is not")
        return role

    @model_validator(mode="before")
    @classmethod
    def _no_text_beside_tools(cls, given: Any) -> Any:
        """An assistant's turn that called tools, or refused, may hold no text."""
        if not isinstance(given, dict) or given.get("role") != "assistant" or given.get("content") is not None:
            return given
        if "content" in given or given.get("tool_calls"):
            return given | {"content": given.get("refusal") or ""}
        return given

    def to_message(self) -> ChatMessage:
        role: Role = "system" if self.role == "developer" else self.role
        return ChatMessage(role=role, content=self.content)


class StreamOptions(ChatPart):
    include_usage: bool | None = None
    """One more chunk at the end says how many tokens there were."""
    include_obfuscation: bool | None = None
    """Accepted and not used."""


class ChatBody(WishedBody):
    """The body of POST /v1/chat/completions."""

    model: str
    """A bot's name; for an operator also `bot@version` and `bot@base`."""
    messages: Annotated[tuple[ChatTurn, ...], Field(min_length=1, max_length=MAX_MESSAGES)]
    """The conversation so far; the last one is the question."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Default: the bot's, as for the next two."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """OpenAI's newer name of `max_tokens`."""
    stop: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], Field(max_length=4), BeforeValidator(_as_texts)
    ] = ()
    """Up to four texts at which the answer ends."""
    seed: Annotated[int, Field(ge=-SEED_BOUND, lt=SEED_BOUND)] | None = None
    """The same seed draws the same words, as far as the engine's batching allows."""
    n: Annotated[int, Field(ge=1, le=MAX_CHOICES)] | None = None
    """So many answers, each recorded."""
    stream: bool | None = None
    """Pieces as server-sent events, as they come."""
    stream_options: StreamOptions | None = None

    store: bool | None = None
    """Whether the answer is listed at GET /v1/chat/completions; it is recorded in any case."""

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    @property
    def end_user(self) -> str:
        """Who asks behind the key, as the caller calls them; empty where that is not said."""
        named = (self.model_extra or {}).get("safety_identifier") or (self.model_extra or {}).get("user")
        return named if isinstance(named, str) else ""

    def with_metadata(self, more: Mapping[str, str]) -> str:
        """As JSON what OpenAI would keep of `metadata`, up to sixteen short texts, `more` before it; empty where there
        are none."""
        given = (self.model_extra or {}).get("metadata")
        pairs = given.items() if isinstance(given, dict) else ()
        kept = {
            name: value
            for name, value in pairs
            if isinstance(value, str) and len(name) <= METADATA_NAME_CHARS and len(value) <= METADATA_CHARS
        }
        whole = {**more, **kept, **more}
        return json.dumps(dict(islice(whole.items(), METADATA_PAIRS)), sort_keys=True) if whole else ""

    def check_extras(self, *, is_lenient: bool = False) -> list[str]:
        """Names of what is not served and was passed over; raises BadParameter for it where nobody is lenient."""
        dropped = _extras(self.model_extra or {}, inert=INERT, ignored=IGNORED, prefix="")
        for position, turn in enumerate(self.messages):
            # Of what was said before, the texts are read: what was called, or why not answered, changes nothing.
            ignored = TOLD_BEFORE if turn.role == "assistant" else frozenset[str]()
            dropped += _extras(
                turn.model_extra or {}, inert=INERT_IN_MESSAGE, ignored=ignored, prefix=f"messages[{position}]."
            )
        if self.stream_options is not None:
            dropped += _extras(
                self.stream_options.model_extra or {}, inert={}, ignored=frozenset(), prefix="stream_options."
            )
        if dropped and not is_lenient:
            raise dropped[0]
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise BadParameter(
                "cannot be set together with max_completion_tokens",
                param="max_tokens",
                openai_code="invalid_value",
                remedy="Leave one of them out.",
            )
        return [fault.param or "" for fault in dropped]

    def to_sampling(self, default: SamplingPart) -> Sampling:
        """What was asked for, and the bot's own where nothing was."""
        max_tokens = self.max_completion_tokens or self.max_tokens or default.max_tokens
        return Sampling(
            temperature=default.temperature if self.temperature is None else self.temperature,
            top_p=default.top_p if self.top_p is None else self.top_p,
            max_tokens=max_tokens,
            repetition_penalty=default.repetition_penalty,
            seed=self.seed,
            stop=self.stop,
        )


def _extras(
    extras: Mapping[str, object], *, inert: Mapping[str, tuple[object, ...]], ignored: Set[str], prefix: str
) -> list[BadParameter]:
    """What of it is not served, and why."""
    faults: list[BadParameter] = []
    for name, value in extras.items():
        if name in ignored:
            continue
        param = prefix + name[:MAX_NAME_CHARS]
        if name not in inert:
            faults.append(BadParameter("is not a parameter here", param=param, openai_code="unknown_parameter"))
        elif value not in inert[name]:
            faults.append(
                BadParameter(
                    "is not supported",
                    param=param,
                    openai_code="unsupported_parameter",
                    remedy=REMEDIES.get(name, "Leave it out."),
                )
            )
    return faults
