"""What vLLM says, checked once: its bodies and events as typed values, and anything else as an engine error.

A reply that is not vLLM's (a balancer's page, an empty list, a missing count) is the engine's failure, never ours and
never the caller's. What the engine said goes to the log; callers are told that it failed, without its words or paths.
"""

import codecs
import logging
from collections.abc import AsyncGenerator, Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple, TypeVar

import httpx
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from nightschool.engine import LikelyToken, TokenLogprob
from nightschool.errors import ContextTooLong, EngineError, InvalidInput, NightschoolError, UnknownModel
from nightschool.records import BASE, Finish
from nightschool.tools import CallPiece

log = logging.getLogger(__name__)

FINISHES: Final[Mapping[str, Finish]] = MappingProxyType(
    {"stop": Finish.STOP, "length": Finish.LENGTH, "tool_calls": Finish.TOOL_CALLS}
)
"""Ends of a whole answer; its other words ("abort", "error") mean that the engine broke off."""
MAX_EVENT_BYTES: Final = 4_000_000
"""No event of a chat is near this; a stream without line breaks must not fill the memory."""
_SAID_CHARS: Final = 500
_TOO_LONG: Final = ("maximum context length", "maximum model length")
"""How vLLM words it; its error carries no code for it."""
_NO_GRAMMAR: Final = ("Grammar error", "into a grammar", "JSON schema")
"""And where it can make none of a schema."""
_PARAMETERS: Final = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "max_tokens",
        "messages",
        "presence_penalty",
        "response_format",
        "seed",
        "stop",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
    }
)
"""What a caller can mend, by the names under which the caller gave it."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=False)


class Usage(_Said):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _CalledFunction(_Said):
    name: str | None = None
    arguments: str | None = None


class _CallPiece(_Said):
    index: int = Field(ge=0)
    id: str | None = None
    function: _CalledFunction = _CalledFunction()

    def to_piece(self) -> CallPiece:
        return CallPiece(self.index, self.function.arguments or "", self.id or "", self.function.name or "")


class _Piece(_Said):
    content: str | None = None
    tool_calls: tuple[_CallPiece, ...] | None = None


class _Likely(_Said):
    token: str
    logprob: float
    utf8: tuple[int, ...] | None = Field(default=None, alias="bytes")

    def to_token(self) -> LikelyToken:
        return LikelyToken(self.token, self.logprob, self.utf8)


class _Token(_Likely):
    top_logprobs: tuple[_Likely, ...] = ()


class _Logprobs(_Said):
    content: tuple[_Token, ...] | None = None


class _Choice(_Said):
    delta: _Piece
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None

    @property
    def calls(self) -> tuple[CallPiece, ...]:
        return tuple(piece.to_piece() for piece in self.delta.tool_calls or ())

    @property
    def token_logprobs(self) -> tuple[TokenLogprob, ...]:
        tokens = (self.logprobs and self.logprobs.content) or ()
        return tuple(TokenLogprob(one.to_token(), tuple(top.to_token() for top in one.top_logprobs)) for one in tokens)


class _Fault(_Said):
    message: str = ""
    param: str | None = None
    code: int | str | None = None
    """An HTTP status, where it is a number."""


class Event(_Said):
    """One event of a streamed chat."""

    choices: tuple[_Choice, ...] = ()
    usage: Usage | None = None
    error: _Fault | str | None = None


class _Logprob(_Said):
    logprob: float


class _Scored(_Said):
    prompt_logprobs: tuple[Mapping[str, _Logprob] | None, ...]


class Scores(_Said):
    """Of a completion that was asked for the log-probabilities of its prompt."""

    choices: Annotated[tuple[_Scored, ...], Field(min_length=1)]


class Probe(_Said):
    usage: Usage


class Tokens(_Said):
    tokens: tuple[int, ...]
    token_strs: Annotated[tuple[str, ...], BeforeValidator(lambda given: given or ())] = ()


class _Card(_Said):
    id: str
    root: str | None = None
    parent: str | None = None


class Models(_Said):
    data: tuple[_Card, ...]


S = TypeVar("S", bound=_Said)


def read_reply(response: httpx.Response, kind: type[S]) -> S:
    """The reply's body as `kind`. Raises EngineError where it is something else."""
    return _validated(response.content, kind)


async def read_events(response: httpx.Response) -> AsyncGenerator[Event, None]:
    """The events of a stream to its end; a stream that is not read out costs its connection.

    Lines end at a line feed alone: other separators, such as U+2028, stand unescaped inside an answer's JSON.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="strict")
    rest = ""
    try:
        async for chunk in response.aiter_bytes():
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            if len(rest) > MAX_EVENT_BYTES:
                raise _strange(rest, "an event without an end")
            for line in lines:
                content = line.removesuffix("\r")
                if content == "data: [DONE]":
                    continue
                if content.startswith("data: "):
                    yield _validated(content.removeprefix("data: "), Event)
                elif content and not content.startswith((":", "event:", "id:", "retry:", "data:")):
                    raise _strange(content, "a line that is no event")
    except UnicodeDecodeError as error:
        raise _strange(repr(error.object[:_SAID_CHARS]), "bytes that are not UTF-8") from error


def failure(response: httpx.Response, *, subject: str, form: str | None = None) -> NightschoolError:
    """What an answer with an error's status means to whoever asked `subject`, a model or the engine.

    `form` is the parameter that says which form the answer must have.
    """
    return _meaning(response.status_code, message_of(response), subject=subject, form=form)


def failure_amid(error: _Fault | str, *, subject: str, form: str | None = None) -> NightschoolError:
    """The same of an event that says one: a stream has its status before vLLM has looked at what was asked."""
    fault = _Fault(message=error) if isinstance(error, str) else error
    status = fault.code if isinstance(fault.code, int) else httpx.codes.INTERNAL_SERVER_ERROR
    return _meaning(status, Complaint(fault.message[:_SAID_CHARS], fault.param), subject=subject, form=form)


def _meaning(status: int, complaint: "Complaint", *, subject: str, form: str | None) -> NightschoolError:
    message, param = complaint
    log.warning("engine refused: subject=%s status=%d said=%r", subject, status, message)
    if status == httpx.codes.NOT_FOUND and subject != BASE:
        return UnknownModel("is not loaded", subject=subject, remedy="Load the adapter first.")
    if status == httpx.codes.BAD_REQUEST:
        if form and any(words in message for words in _NO_GRAMMAR):
            lift = " or set strict to false;" if form == "tools" else ""
            return InvalidInput(
                "has a JSON Schema that this engine can hold no answer to",
                subject=form,
                remedy=f"Leave out formats and what nothing can fit,{lift} the server's log has the engine's words.",
                param=form,
            )
        if any(words in message for words in _TOO_LONG):
            return ContextTooLong(
                "exceed what the base model can look back on, together with the answer asked for",
                subject="messages",
                remedy="Shorten the messages or lower max_tokens, or begin a new conversation.",
                param="messages",
            )
        # Its own name for what is wrong, where that is one of ours; its sentence would name its internals.
        name = param if param in _PARAMETERS else None
        return InvalidInput(
            "cannot be answered as it stands",
            subject=name or "request",
            remedy="Mend the request; the server's log has the engine's words.",
            param=name,
        )
    return failed(subject)


def failed(subject: str = "engine") -> EngineError:
    """The engine failed, in words for anybody; whoever calls this has logged why."""
    return EngineError("failed", subject=subject, remedy="Try again in a moment; the server's log says more.")


def unreachable(error: httpx.HTTPError) -> EngineError:
    log.warning("engine does not answer: %s: %s", type(error).__name__, error)
    return EngineError(f"does not answer ({type(error).__name__})", subject="engine", remedy="Try again in a moment.")


def _validated(content: str | bytes, kind: type[S]) -> S:
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"])) or "body"
        raise _strange(content, f"no {kind.__name__.lower()} ({where}: {fault['msg']})") from error


def _strange(said: str | bytes, what: str) -> EngineError:
    shown = said[:_SAID_CHARS]
    log.warning("engine answered %s: %r", what, shown)
    return EngineError(
        "answered with something that is not vLLM's", subject="engine", remedy="The server's log shows what it was."
    )


class _Faulty(_Said):
    error: _Fault | None = None
    message: str = ""


class Complaint(NamedTuple):
    text: str
    """The engine's own sentence."""
    param: str | None
    """The parameter that it names."""


def message_of(response: httpx.Response) -> Complaint:
    """What an answer with an error's status says."""
    try:
        faulty = _Faulty.model_validate_json(response.content)
    except ValidationError:
        return Complaint(response.text[:_SAID_CHARS], None)
    if faulty.error is None:
        return Complaint(faulty.message or response.text[:_SAID_CHARS], None)
    return Complaint(faulty.error.message[:_SAID_CHARS], faulty.error.param)
