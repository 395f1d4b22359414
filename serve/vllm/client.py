"""Speak to one vLLM server: stream answers, score tokens, load and unload adapters.

The one implementation of `nightschool.engine.Engine` that has a model behind it. Reaches vLLM by a Unix socket (one of
ours) or a URL (one of yours). Does not know bots or routes: it is told a model's name and passes it on, so callers must
never hand it a name that a person typed.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import httpx

from nightschool.engine import ChatRequest, Delta, TokenizedChat
from nightschool.errors import Busy, ContextTooLong, EngineError, InvalidInput, UnknownModel
from nightschool.prompt import Neutraliser
from nightschool.records import BASE, ChatMessage, Finish, Sampling

_FINISHES: Final[Mapping[str, Finish]] = {"stop": Finish.STOP, "length": Finish.LENGTH, "abort": Finish.PARTIAL}
_BLANKS: Final = " \n\u010a\u0120\u2581"
"""Blank and line break, and how byte-level and SentencePiece tokenizers write them."""
_TOO_LONG: Final = ("maximum context length", "maximum model length")
"""How vLLM words it; its error carries no code for it."""
_REMEDY: Final = "See logs/engine.log in the data folder; the supervisor restarts a dead engine by itself."


class VllmEngine:
    """See `Engine`. Made by `connect_engine`."""

    def __init__(
        self, http: httpx.AsyncClient, *, takes_seeds: bool = True, control_tokens: Sequence[str] = ()
    ) -> None:
        self._http = http
        self._takes_seeds = takes_seeds
        self._neutral = Neutraliser(control_tokens)

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        body = {
            "model": request.model,
            "messages": self._as_openai(request.messages),
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._sampling(request.sampling),
        }
        headers = {"X-Request-Id": request.request_id}
        finish: Finish | None = None
        try:
            async with self._http.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
                if response.is_error:
                    await response.aread()
                    raise _as_error(response, subject=request.model)
                async with aclosing(_events(response)) as events:
                    async for event in events:
                        if "error" in event:
                            raise EngineError(_message(event), subject=request.model, remedy=_REMEDY)
                        for choice in event.get("choices", []):
                            finish = _FINISHES.get(choice.get("finish_reason") or "", finish)
                            if text := choice["delta"].get("content"):
                                yield Delta(text)
                        if usage := event.get("usage"):
                            yield Delta("", finish, usage["prompt_tokens"], usage["completion_tokens"])
        except httpx.HTTPError as error:
            raise _unreachable(error) from error

    def _sampling(self, sampling: Sampling) -> dict[str, Any]:
        wanted = {key: value for key, value in asdict(sampling).items() if value is not None}
        if not self._takes_seeds:
            # vLLM 0.32 on CPU dies of one ("CPU Generator does not use offset") where it discards a sample.
            wanted.pop("seed", None)
        return wanted

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        answered = self._as_openai([*messages, ChatMessage(role="assistant", content=answer)])
        chat = answered[:-1]
        prompt = await self._post("/tokenize", {"model": BASE, "messages": chat, "add_generation_prompt": True})
        asked = {"model": BASE, "messages": answered, "add_generation_prompt": False, "return_token_strs": True}
        whole = (await self._post("/tokenize", asked)).json()
        prompt_ids = tuple(prompt.json()["tokens"])
        whole_ids = tuple(whole["tokens"])[: _end_of_turn(whole["token_strs"])]
        if whole_ids[: len(prompt_ids)] != prompt_ids:
            raise EngineError(
                "the chat template renders an answer differently from its prompt",
                subject="base model",
                remedy="Choose a base model whose template only appends.",
            )
        return TokenizedChat(prompt_ids, whole_ids[len(prompt_ids) :])

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        body = {"model": model, "prompt": list(token_ids), "max_tokens": 1, "temperature": 0, "prompt_logprobs": 0}
        response = await self._post("/v1/completions", body)
        positions = response.json()["choices"][0]["prompt_logprobs"]
        return tuple(
            float(position[str(token)]["logprob"]) for token, position in zip(token_ids[1:], positions[1:], strict=True)
        )

    async def load_adapter(self, name: str, folder: Path) -> None:
        loaded = (await self.loaded_adapters()).get(name)
        if loaded == folder:
            return
        if loaded is not None:
            raise Busy(f"is loaded from {loaded}", subject=name, remedy="Unload it first; names are immutable.")
        await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}, subject=name)

    async def unload_adapter(self, name: str) -> None:
        if name in await self.loaded_adapters():
            await self._post("/v1/unload_lora_adapter", {"lora_name": name}, subject=name)

    async def loaded_adapters(self) -> Mapping[str, Path]:
        try:
            response = await self._http.get("/v1/models")
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if response.is_error:
            raise _as_error(response, subject="engine")
        return {card["id"]: Path(card["root"]) for card in response.json()["data"] if card.get("parent")}

    async def check_ready(self) -> None:
        body = {"model": BASE, "prompt": "Hello", "max_tokens": 1, "temperature": 0}
        response = await self._post("/v1/completions", body)
        if response.json()["usage"]["completion_tokens"] < 1:
            raise EngineError("answered without a token", subject="engine", remedy=_REMEDY)

    def _as_openai(self, messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
        """vLLM tokenises control tokens in a message as such, so what people wrote goes out without any."""
        return [{"role": m["role"], "content": m["content"]} for m in self._neutral.chat(messages)]

    async def _post(self, path: str, body: Mapping[str, Any], *, subject: str = "engine") -> httpx.Response:
        try:
            response = await self._http.post(path, json=body)
        except httpx.HTTPError as error:
            raise _unreachable(error) from error
        if response.is_error:
            raise _as_error(response, subject=subject)
        return response


@asynccontextmanager
async def connect_engine(
    *,
    socket: Path | None = None,
    url: str | None = None,
    api_key: str | None = None,
    timeout_s: float,
    takes_seeds: bool = True,
    control_tokens: Sequence[str] = (),
) -> AsyncIterator[VllmEngine]:
    """An engine for the length of the block; `socket` or `url` says where it listens. It need not be up yet.

    `takes_seeds` False keeps a request's seed from an engine that cannot bear one. `control_tokens` are the base
    model's: in what people wrote they are broken up (`nightschool.prompt`).
    """
    headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
    transport = httpx.AsyncHTTPTransport(uds=str(socket)) if socket else None
    # No cap on connections: the gateway limits askers, and a queue here would be invisible to vLLM's scheduler.
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=url or "http://engine", headers=headers, transport=transport, timeout=timeout_s, limits=limits
    ) as http:
        yield VllmEngine(http, takes_seeds=takes_seeds, control_tokens=control_tokens)


def _end_of_turn(token_strs: Sequence[str]) -> int:
    """Length without what a template puts behind the end-of-turn token, such as SmolLM2's line break."""
    length = len(token_strs)
    while length and not token_strs[length - 1].strip(_BLANKS):
        length -= 1
    return length


async def _events(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    async for line in response.aiter_lines():
        if line.startswith("data: ") and line != "data: [DONE]":
            yield json.loads(line.removeprefix("data: "))


def _message(body: Mapping[str, Any]) -> str:
    error = body.get("error")
    return str(error.get("message") if isinstance(error, dict) else error or body.get("message") or body)


def _as_error(response: httpx.Response, *, subject: str) -> EngineError | InvalidInput | UnknownModel:
    try:
        message = _message(response.json())
    except ValueError:
        message = response.text[:500]
    if response.status_code == httpx.codes.NOT_FOUND:
        return UnknownModel(message, subject=subject, remedy="Load the adapter first.")
    if response.status_code == httpx.codes.BAD_REQUEST:
        if any(words in message for words in _TOO_LONG):
            remedy = "Shorten the messages, or begin a new conversation."
            return ContextTooLong(message.rstrip("."), subject="messages", remedy=remedy, param="messages")
        return InvalidInput(message, subject=subject, remedy="Mend the request.", param="messages")
    return EngineError(message, subject=subject, remedy=_REMEDY)


def _unreachable(error: httpx.HTTPError) -> EngineError:
    return EngineError(f"does not answer ({type(error).__name__})", subject="engine", remedy=_REMEDY)
