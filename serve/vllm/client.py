"""Speak to one vLLM server: stream answers, score tokens, load and unload adapters.

The one implementation of `nightschool.engine.Engine` that has a model behind it. Reaches vLLM by a Unix socket (one of
ours) or a URL (one of yours). Does not know bots or routes: it is told a model's name and passes it on, so callers must
never hand it a name that a person typed. What vLLM's replies mean is `serve.vllm.replies`'.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from nightschool.engine import ChatRequest, Delta, TokenizedChat, Wishes
from nightschool.errors import Busy, EngineError
from nightschool.prompt import Neutraliser, Template, merge_system
from nightschool.records import BASE, ChatMessage, Finish, Sampling
from nightschool.tools import Tool
from serve.vllm.replies import (
    FINISHES,
    Event,
    Models,
    Probe,
    Scores,
    Tokens,
    Usage,
    failure,
    failure_amid,
    message_of,
    read_events,
    read_reply,
    unreachable,
)
from serve.vllm.scored_tail import AFTER
from serve.vllm.unix import UnixTransport

log = logging.getLogger(__name__)

_BLANKS: Final = " \n\u010a\u0120\u2581"
"""Blank and line break, and how byte-level and SentencePiece tokenizers write them."""
SENT: Final = ("role", "content", "tool_calls", "tool_call_id")
"""What of a message the engine is told."""
NO_ARGUMENTS: Final = {"type": "object", "properties": {}, "additionalProperties": False}
IDLE_S: Final = 2.0
"""An unused connection is dropped after this, well before vLLM's server closes it (5 s): a question that meets a
closing connection would be lost."""


class VllmEngine:
    """See `Engine`. Made by `connect_engine`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        takes_seeds: bool = True,
        template: Template = Template(),
        answer_timeout_s: float = 300,
    ) -> None:
        self._http = http
        self._takes_seeds = takes_seeds
        self._neutral = Neutraliser(template.control_tokens)
        self._takes_system = template.takes_system
        self._answer_timeout_s = answer_timeout_s

    @property
    def takes_seeds(self) -> bool:
        return self._takes_seeds

    async def version(self) -> str:
        try:
            response = await self._http.get("/version")
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        # What speaks vLLM's language without being it need not know this page.
        return "" if response.is_error else response.text

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        """See `Engine`. A stream that ends without the engine's word on how, or too late, is an EngineError."""
        deadline_s = asyncio.get_running_loop().time() + self._answer_timeout_s
        finish: Finish | None = None
        has_called = False
        usage = Usage(prompt_tokens=0, completion_tokens=0)
        async with aclosing(self._events(request)) as events:
            while (event := await self._before(deadline_s, anext(events, None), subject=request.model)) is not None:
                for choice in event.choices:
                    if choice.finish_reason is not None:
                        finish = FINISHES.get(choice.finish_reason)
                    has_called = has_called or bool(choice.calls)
                    if choice.delta.content or choice.token_logprobs or choice.calls:
                        yield Delta(choice.delta.content or "", logprobs=choice.token_logprobs, calls=choice.calls)
                usage = event.usage or usage
        if finish is None:
            log.warning("engine broke off: model=%s request=%s", request.model, request.request_id)
            raise EngineError("broke the answer off", subject="engine", remedy="Try again in a moment.")
        # Its word for a call that had to be made is "stop".
        finish = Finish.TOOL_CALLS if has_called and finish is Finish.STOP else finish
        yield Delta("", finish, usage.prompt_tokens, usage.completion_tokens)

    async def _events(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        body = {
            "model": request.model,
            "messages": self._as_openai(request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._sampling(request.sampling),
            **self._wished(request.wishes),
        }
        headers = {"X-Request-Id": request.request_id}
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
                form = "response_format" if request.wishes.response_format else "tools"
                if response.is_error:
                    await response.aread()
                    raise failure(response, subject=request.model, form=form)
                async with aclosing(read_events(response)) as events:
                    async for event in events:
                        if event.error is not None:
                            raise failure_amid(event.error, subject=request.model, form=form)
                        yield event
        except httpx.HTTPError as error:
            raise unreachable(error) from error

    async def _before(self, deadline_s: float, event: Awaitable[Event | None], *, subject: str) -> Event | None:
        # Around one wait and not around the generator: a time-out there would strike whoever reads it.
        try:
            async with asyncio.timeout_at(deadline_s):
                return await event
        except TimeoutError:
            log.warning("engine took longer than %.0f s over an answer: model=%s", self._answer_timeout_s, subject)
            raise EngineError(
                f"took longer than {self._answer_timeout_s:g} s over this answer",
                subject="engine",
                remedy="Ask for a shorter answer, or try again when it is less busy.",
            ) from None

    def _sampling(self, sampling: Sampling) -> dict[str, Any]:
        wanted = {key: value for key, value in asdict(sampling).items() if value is not None}
        if not self._takes_seeds:
            # vLLM 0.32 on CPU dies of one ("CPU Generator does not use offset") where it discards a sample.
            wanted.pop("seed", None)
        return wanted

    def _wished(self, wishes: Wishes) -> dict[str, Any]:
        wanted = wishes.told()
        if wishes.tools:
            tools = self._neutral.tools(wishes.tools)
            wanted["tools"] = tools if wishes.tool_choice in ("auto", "none") else [_held(tool) for tool in tools]
        return wanted if wishes.top_logprobs is None else wanted | {"logprobs": True}

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        answered = self._as_openai([*messages, ChatMessage(role="assistant", content=answer)])
        asked = {"model": BASE, "messages": answered[:-1], "add_generation_prompt": True}
        prompt = read_reply(await self._post("/tokenize", asked), Tokens)
        asked = {"model": BASE, "messages": answered, "add_generation_prompt": False, "return_token_strs": True}
        whole = read_reply(await self._post("/tokenize", asked), Tokens)
        whole_ids = whole.tokens[: _end_of_turn(whole.token_strs)]
        if whole_ids[: len(prompt.tokens)] != prompt.tokens:
            raise EngineError(
                "the chat template renders an answer differently from its prompt",
                subject="base model",
                remedy="Choose a base model whose template only appends.",
            )
        return TokenizedChat(prompt.tokens, whole_ids[len(prompt.tokens) :])

    async def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
        asked = {"model": BASE, "messages": self._as_openai(messages), "add_generation_prompt": True}
        if tools:
            asked["tools"] = self._neutral.tools(tools)
        return len(read_reply(await self._post("/tokenize", asked), Tokens).tokens)

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        return await self.answer_logprobs(model, token_ids[:1], token_ids[1:])

    async def answer_logprobs(
        self, model: str, prompt_ids: Sequence[int], answer_ids: Sequence[int]
    ) -> tuple[float, ...]:
        prompt = [*prompt_ids, *answer_ids]
        body: dict[str, Any] = {
            "model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0,
            "vllm_xargs": {AFTER: len(prompt_ids)},
        }  # fmt: skip
        positions = (
            read_reply(await self._post("/v1/completions", body, subject=model), Scores).choices[0].prompt_logprobs
        )
        scored = zip(answer_ids, positions[len(prompt_ids) :], strict=False)
        told = [(position or {}).get(str(token)) for token, position in scored]
        found = tuple(score.logprob for score in told if score is not None)
        if len(found) != len(answer_ids):
            raise EngineError(
                f"scored {len(found)} of {len(answer_ids)} tokens",
                subject=model,
                remedy="Check the engine's version.",
            )
        return found

    async def load_adapter(self, name: str, folder: Path) -> None:
        loaded = (await self.loaded_adapters()).get(name)
        if loaded == folder:
            return
        if loaded is not None:
            raise Busy(f"is loaded from {loaded}", subject=name, remedy="Unload it first; names are immutable.")
        await self._move("load", {"lora_name": name, "lora_path": str(folder)})

    async def unload_adapter(self, name: str) -> None:
        if name in await self.loaded_adapters():
            await self._move("unload", {"lora_name": name})

    async def loaded_adapters(self) -> Mapping[str, Path]:
        try:
            response = await self._http.get("/v1/models")
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise failure(response, subject=BASE)
        return {card.id: Path(card.root) for card in read_reply(response, Models).data if card.parent and card.root}

    async def check_ready(self) -> None:
        body = {"model": BASE, "prompt": "Hello", "max_tokens": 1, "temperature": 0}
        if read_reply(await self._post("/v1/completions", body), Probe).usage.completion_tokens < 1:
            raise EngineError("answered without a token", subject="engine", remedy="The server's log says more.")

    def _as_openai(self, messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
        """vLLM tokenises control tokens in a message as such, so what people wrote goes out without any."""
        neutral = self._neutral.chat(messages)
        chat = neutral if self._takes_system else merge_system(neutral)
        return [{name: m[name] for name in SENT if name in m} for m in chat]

    async def _move(self, verb: str, body: Mapping[str, str]) -> None:
        """Load or unload. Only operators and nights come here, so the engine's own words help and harm nobody."""
        try:
            response = await self._http.post(f"/v1/{verb}_lora_adapter", json=body)
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise EngineError(
                f"the engine would not {verb} it ({message_of(response).text})",
                subject=body["lora_name"],
                remedy="Check its files, its rank and the base model it was trained on.",
            )

    async def _post(self, path: str, body: Mapping[str, Any], *, subject: str = BASE) -> httpx.Response:
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise unreachable(error) from error
        if response.is_error:
            raise failure(response, subject=subject)
        return response


@asynccontextmanager
async def connect_engine(
    *,
    socket: Path | None = None,
    url: str | None = None,
    api_key: str | None = None,
    timeout_s: float,
    takes_seeds: bool = True,
    template: Template = Template(),
) -> AsyncIterator[VllmEngine]:
    """An engine for the length of the block; `socket` or `url` says where it listens. It need not be up yet.

    `timeout_s` is how long one answer may take. `takes_seeds` False keeps a request's seed from an engine that cannot
    bear one. `template` is the base model's: what people wrote is made fit for it (`nightschool.prompt`).
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    # No cap on connections: the gateway limits askers, and a queue here would be invisible to vLLM's scheduler.
    limits = httpx.Limits(max_connections=None, keepalive_expiry=IDLE_S)
    # A transport of its own is not told the client's limits.
    transport = UnixTransport(socket, limits=limits) if socket else None
    async with httpx.AsyncClient(
        base_url=url or "http://engine", headers=headers, transport=transport, timeout=timeout_s, limits=limits
    ) as http:
        yield VllmEngine(http, takes_seeds=takes_seeds, template=template, answer_timeout_s=timeout_s)


def _held(tool: Tool) -> Tool:
    """vLLM holds the arguments of a call that must be made to their schema only where the tool says so, and else takes
    any JSON for them, such as a bare text."""
    function = tool["function"]
    return {**tool, "function": {"strict": True, **function, "parameters": function.get("parameters") or NO_ARGUMENTS}}


def _end_of_turn(token_strs: Sequence[str]) -> int:
    """Length without what a template puts behind the end-of-turn token, such as SmolLM2's line break."""
    length = len(token_strs)
    while length and not token_strs[length - 1].strip(_BLANKS):
        length -= 1
    return length
