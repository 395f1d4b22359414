"""Answers in OpenAI's shapes: a completion, or the chunks of a stream as server-sent events.

Does not know where an answer comes from.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from nightschool.engine import Delta
from nightschool.records import Finish

DONE: Final = b"data: [DONE]\n\n"
_TO_JSON: Final = json.JSONEncoder(separators=(",", ":")).encode
"""One encoder for all chunks: `json.dumps` with separators of one's own makes a new one each time."""
FINISHES: Final[Mapping[Finish, str]] = {Finish.STOP: "stop", Finish.LENGTH: "length"}
"""Ends of a whole answer; one that was cut off has no word at OpenAI and is an error (`serve.api.completions`)."""


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What all chunks of an answer share. `model` is what was asked for, `version` who answered."""

    completion_id: str
    created_s: int
    model: str
    version: str
    own: Mapping[str, Any] = field(default_factory=dict)
    """What is ours beside OpenAI's fields, under `nightschool` at the end of an answer; empty: nothing is."""

    def completion(self, text: str, last: Delta) -> dict[str, Any]:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": None,
            "finish_reason": _finish(last),
        }
        return self._frame("chat.completion") | {"choices": [choice], "usage": _usage(last)} | self._own

    def role_chunk(self) -> dict[str, Any]:
        return self._chunk({"role": "assistant", "content": ""}, None)

    def text_chunk(self, text: str) -> dict[str, Any]:
        return self._chunk({"content": text}, None)

    def finish_chunk(self, last: Delta) -> dict[str, Any]:
        return self._chunk({}, _finish(last)) | self._own

    def usage_chunk(self, last: Delta) -> dict[str, Any]:
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": _usage(last)}

    @property
    def _own(self) -> dict[str, Any]:
        return {"nightschool": dict(self.own)} if self.own else {}

    def _chunk(self, delta: Mapping[str, str], finish: str | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return self._frame("chat.completion.chunk") | {"choices": [choice]}

    def _frame(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.completion_id,
            "object": kind,
            "created": self.created_s,
            "model": self.model,
            "system_fingerprint": self.version,
        }


def event(content: Mapping[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + _TO_JSON(content).encode() + b"\n\n"


def _finish(last: Delta) -> str:
    assert last.finish is not None, "only the last piece of an answer ends it"
    return FINISHES[last.finish]


def _usage(last: Delta) -> Usage:
    total = last.prompt_tokens + last.completion_tokens
    return Usage(prompt_tokens=last.prompt_tokens, completion_tokens=last.completion_tokens, total_tokens=total)
