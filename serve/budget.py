"""Make a prompt and its answer fit what the model can look back on.

Passages go first, the worst before the better; then the oldest turns, each question with its answer and all calls of
tools between them; then the answer is shortened. Never the system prompt nor the question: where these alone are too
long, the engine says so. Counted in two steps: by bytes, since a token has at least one, and where that might not fit
by the engine's own tokenizer. Does not know what passages are about, nor how a prompt is rendered.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from nightschool.errors import NightschoolError
from nightschool.knowledge import Found
from nightschool.records import ChatMessage, Sampling
from nightschool.tools import Tool, note_tools
from serve.prompting import Prompt

FRAME_TOKENS: Final = 128
"""What a chat template writes by itself, at most: roles, and a preface with the date (Llama 3 has 25)."""
TURN_TOKENS: Final = 12
"""Likewise around each message."""
TOOLS_TOKENS: Final = 512
"""What it writes to explain tools (Hermes 3 has some 300)."""
ANSWER_SHARE: Final = 4
"""An answer has a quarter of the context where it asks for as much: more is given once all else has its place."""

Count = Callable[[Sequence[ChatMessage], Sequence[Tool]], Awaitable[int]]


class Fitted(NamedTuple):
    prompt: Prompt
    sampling: Sampling


Fit = Callable[[Prompt, Sampling], Awaitable[Fitted]]


async def fit_nothing(prompt: Prompt, sampling: Sampling) -> Fitted:
    """For an engine that looks back on any length."""
    return Fitted(prompt, sampling)


async def fit(prompt: Prompt, sampling: Sampling, *, context_tokens: int, count: Count) -> Fitted:
    """The prompt with as much of what was found and said as there is room for, and an answer as long as there is."""
    wanted = sampling.max_tokens
    room = context_tokens - min(wanted, context_tokens // ANSWER_SHARE)
    forms = _shorter(prompt)
    sizes: dict[int, int] = {}

    async def fits(place: int) -> bool:
        messages = forms[place].messages
        sizes[place] = at_most(messages, prompt.tools)
        if sizes[place] + wanted > context_tokens:
            sizes[place] = await count(messages, prompt.tools)
        return sizes[place] <= room

    try:
        chosen = 0 if await fits(0) else await _first(fits, 1, len(forms) - 1)
        if chosen not in sizes:
            await fits(chosen)
    except NightschoolError:
        # An engine that is away, or cannot count, says so when it is asked for the answer.
        return Fitted(prompt, sampling)
    left = context_tokens - sizes[chosen]
    return Fitted(forms[chosen], replace(sampling, max_tokens=min(wanted, left)) if left > 0 else sampling)


def at_most(messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()) -> int:
    """Tokens that a prompt cannot exceed: a template may tell of tools at length."""
    said = sum(len(message["content"].encode()) + TURN_TOKENS for message in messages)
    called = sum(len(note_tools(message).encode()) for message in messages)
    offered = TOOLS_TOKENS + len(json.dumps(tools, ensure_ascii=False, indent=4).encode()) if tools else 0
    return FRAME_TOKENS + said + called + offered


def _shorter(prompt: Prompt) -> list[Prompt]:
    """The prompt itself, and ever less of it, down to the system prompt and the question."""
    found, said = prompt.found, prompt.said
    forms = [prompt]
    for kept in range(len(found.passages) - 1, -1, -1):
        fewer = Found(found.passages[:kept], found.scores[:kept], found.index_hash)
        forms.append(replace(forms[-1], found=fewer))
    starts = [place for place, turn in enumerate(said) if place and turn["role"] == "user"]
    for turns_left_out, start in enumerate(starts, 1):
        forms.append(replace(forms[-1], said=said[start:], turns_left_out=turns_left_out))
    return forms


async def _first(holds: Callable[[int], Awaitable[bool]], low: int, high: int) -> int:
    """The first of `low`..`high` for which it holds, which it does for all behind; the last where for none."""
    while low < high:
        middle = (low + high) // 2
        if await holds(middle):
            high = middle
        else:
            low = middle + 1
    return high
