"""What Nightschool asks of a language model server, and nothing else.

Implemented by `serve.vllm.client` (the real one) and `nightschool.echo` (the shipped fake). Rooms below the roof see
only this protocol, so evaluation and rollout run against any engine. An engine does not know bots: `model` is a name
it has loaded, `BASE` or an `AdapterName`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from nightschool.records import ChatMessage, Finish, Sampling
from nightschool.tools import CallPiece, Tool

TOLD_AT_ZERO: Final = frozenset({"top_logprobs", "parallel_tool_calls"})
"""Wishes that say something where they are 0 or false."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a caller asks of an answer beside the usual ways of drawing words; with none set, nothing changes."""

    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: Mapping[str, float] = field(default_factory=dict)
    """By token id."""
    top_logprobs: int | None = None
    """Each token comes with its log-probability, and with that of so many likely ones in its place; None: without."""
    response_format: Mapping[str, Any] | None = None
    """OpenAI's object, where the answer must be JSON."""
    tools: tuple[Tool, ...] = ()
    """Which the answer may call, or must."""
    tool_choice: str | Mapping[str, Any] | None = None
    """OpenAI's word or object for that."""
    parallel_tool_calls: bool | None = None
    """False: one call at most."""

    @property
    def changes_form(self) -> bool:
        """Whether an answer that no engine made, or that was made for somebody else, cannot meet them."""
        return bool(self.logit_bias or self.tools) or self.top_logprobs is not None or self.response_format is not None

    def told(self) -> dict[str, Any]:
        """Those that are set, for the record."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in given.items() if value or (value is not None and name in TOLD_AT_ZERO)}


PLAIN: Final = Wishes()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: tuple[ChatMessage, ...]
    model: str
    sampling: Sampling
    request_id: str
    wishes: Wishes = PLAIN


class LikelyToken(NamedTuple):
    token: str
    logprob: float
    utf8: tuple[int, ...] | None
    """Its bytes, where it has any."""


class TokenLogprob(NamedTuple):
    said: LikelyToken
    likeliest: tuple[LikelyToken, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. The last one of a stream carries `finish` and the token counts."""

    text: str
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    """Where they were wished for: of the tokens of `text`."""
    is_refusal: bool = False
    """In place of an answer in the form that was wished for: words for a person."""
    calls: tuple[CallPiece, ...] = ()
    """Of tools, where some were offered."""


class TokenizedChat(NamedTuple):
    prompt_ids: tuple[int, ...]
    """The chat so far under the model's template, up to and with the generation prompt."""
    answer_ids: tuple[int, ...]
    """The answer and its end-of-turn token."""


class Engine(Protocol):
    @property
    def takes_seeds(self) -> bool:
        """Whether `Sampling.seed` counts: the same seed, the same draw. Where not, it is silently left out."""
        ...

    async def version(self) -> str:
        """Which server in which release; empty where it does not say. Raises EngineError."""
        ...

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """The answer piece by piece. Consume through `contextlib.aclosing`; closing it aborts the generation.

        Raises InvalidInput (prompt longer than the model's context, a wish that it cannot meet), UnknownModel,
        EngineError.
        """
        ...

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        """Token ids of a chat and of an answer to it, by the model's own template."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
        """Of a prompt and the tools that it offers, with all that the model's own template puts around them."""
        ...

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        """Natural-log probability of each token given those before it; length `len(token_ids) - 1`."""
        ...

    async def answer_logprobs(
        self, model: str, prompt_ids: Sequence[int], answer_ids: Sequence[int]
    ) -> tuple[float, ...]:
        """The same of `answer_ids` alone, behind a prompt of one token at least; length `len(answer_ids)`."""
        ...

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Idempotent for the same name and folder. Raises EngineError, and Busy where another folder has the name."""
        ...

    async def unload_adapter(self, name: str) -> None:
        """Idempotent."""
        ...

    async def loaded_adapters(self) -> Mapping[str, Path]:
        """Name and folder of every loaded adapter."""
        ...

    async def check_ready(self) -> None:
        """Returns once one token has really come back from the base model. Raises EngineError."""
        ...
