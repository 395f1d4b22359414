"""The shipped fake engine: answers without a model, so that server and tests run without vLLM.

Never the default; the page and `nightschool status` say when it is in use. Its answers name the adapter that was asked
for, so tests can see which route a request took. Log-probabilities are a fixed function of model and token.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from pathlib import Path

from nightschool.engine import ChatRequest, Delta, LikelyToken, TokenizedChat, TokenLogprob, Wishes
from nightschool.errors import Busy, InvalidInput, UnknownModel
from nightschool.records import BASE, ChatMessage, Finish
from nightschool.tools import CallPiece, Tool


class EchoEngine:
    """Repeats the last question word by word, prefixed by the model's name; as `{"answer": ...}` where JSON is wished
    for. Calls the tool that it must, or whose name stands in the question. `delay_s` is the pause between words."""

    def __init__(self, *, delay_s: float = 0.0) -> None:
        self._delay_s = delay_s
        self._loaded: dict[str, Path] = {}

    @property
    def takes_seeds(self) -> bool:
        return True

    async def version(self) -> str:
        return "echo"

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta, None]:
        if request.model != BASE and request.model not in self._loaded:
            raise UnknownModel("is not loaded", subject=request.model, remedy="Load the adapter first.")
        asked = request.messages[-1]["content"]
        prompt_tokens = sum(len(m["content"].split()) for m in request.messages)
        if name := _tool_to_call(request):
            for piece in (
                CallPiece(0, "", f"call_{request.request_id}", name),
                CallPiece(0, '{"asked": '),
                CallPiece(0, f"{json.dumps(asked)}}}"),
            ):
                await asyncio.sleep(self._delay_s)
                yield Delta("", calls=(piece,))
            yield Delta("", Finish.TOOL_CALLS, prompt_tokens, 3)
            return
        words = _in_form(f"[echo {request.model}] {asked}", request.wishes).split(" ")
        finish = Finish.STOP if len(words) <= request.sampling.max_tokens else Finish.LENGTH
        said = words[: request.sampling.max_tokens]
        for position, word in enumerate(said):
            await asyncio.sleep(self._delay_s)
            text = word if position == 0 else f" {word}"
            yield Delta(text, logprobs=_logprobs(text, request.wishes.top_logprobs))
        yield Delta("", finish=finish, prompt_tokens=prompt_tokens, completion_tokens=len(said))

    async def tokenize(self, messages: Sequence[ChatMessage], *, answer: str) -> TokenizedChat:
        def ids(text: str) -> tuple[int, ...]:
            return tuple(sum(word.encode()) % 50_000 for word in text.split())

        return TokenizedChat((*(i for m in messages for i in ids(m["content"])), 1), (*ids(answer), 2))

    async def count_tokens(self, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
        return len((await self.tokenize(messages, answer="")).prompt_ids) + len(json.dumps(tools).split())

    async def token_logprobs(self, model: str, token_ids: Sequence[int]) -> tuple[float, ...]:
        shift = sum(model.encode()) % 7
        return tuple(-1.0 - ((token + shift) % 11) / 10 for token in token_ids[1:])

    async def answer_logprobs(
        self, model: str, prompt_ids: Sequence[int], answer_ids: Sequence[int]
    ) -> tuple[float, ...]:
        return (await self.token_logprobs(model, (*prompt_ids, *answer_ids)))[len(prompt_ids) - 1 :]

    async def load_adapter(self, name: str, folder: Path) -> None:
        if self._loaded.setdefault(name, folder) != folder:
            raise Busy("is loaded from another folder", subject=name, remedy="Unload it first.")

    async def unload_adapter(self, name: str) -> None:
        self._loaded.pop(name, None)

    async def loaded_adapters(self) -> Mapping[str, Path]:
        return dict(self._loaded)

    async def check_ready(self) -> None:
        return None


def _tool_to_call(request: ChatRequest) -> str:
    """Empty for none: where none must be called, and what was found last is to be told."""
    wishes, last = request.wishes, request.messages[-1]
    names = [str(tool["function"]["name"]) for tool in wishes.tools]
    match wishes.tool_choice:
        case "none":
            return ""
        case {"function": {"name": str(name)}}:
            return name
        case "required":
            return names[0]
    return next((name for name in names if last["role"] == "user" and name in last["content"]), "")


def _in_form(text: str, wishes: Wishes) -> str:
    """The answer as it was wished for. Raises InvalidInput for what needs a model."""
    if wishes.logit_bias:
        raise _no_model("logit_bias")
    if wishes.response_format is None:
        return text
    if wishes.response_format["type"] != "json_object":
        raise _no_model("response_format")
    return json.dumps({"answer": text})


def _no_model(param: str) -> InvalidInput:
    return InvalidInput(
        "needs a model, and the fake engine answers here",
        subject=param,
        remedy="Leave it out, or set engine.kind to vllm.",
        param=param,
    )


def _logprobs(text: str, top: int | None) -> tuple[TokenLogprob, ...]:
    if top is None:
        return ()
    said = LikelyToken(text, -0.1, tuple(text.encode()))
    others = (LikelyToken(f" or{place}", -float(place + 1), tuple(f" or{place}".encode())) for place in range(1, top))
    return (TokenLogprob(said, (said, *others)[:top]),)
