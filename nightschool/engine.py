"""What Nightschool asks of a language model server, and nothing else.

Implemented by `serve.vllm.client` (the real one) and `nightschool.echo` (the shipped fake). Rooms below the roof see
only this protocol, so evaluation and rollout run against any engine. An engine does not know bots: `model` is a name
it has loaded, `BASE` or an `AdapterName`.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from nightschool.records import ChatMessage, Finish, Sampling


@dataclass(frozen=True, slots=True)
class ChatRequest:
    messages: tuple[ChatMessage, ...]
    model: str
    sampling: Sampling
    request_id: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer. The last one of a stream carries `finish` and the token counts."""

    text: str
    finish: Finish | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0


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

        Raises InvalidInput (prompt longer than the model's context), UnknownModel, EngineError.
        """
        ...

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        """Token ids of a chat and of an answer to it, by the model's own template."""
        ...

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """Of a prompt, with all that the model's own template puts around it."""
        ...

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        """Natural-log probability of each token given those before it; length `len(token_ids) - 1`."""
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
