"""Answers in OpenAI's shapes: a completion, or the chunks of a stream as server-sent events.

Does not know where an answer comes from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from nightschool.engine import Delta, LikelyToken, TokenLogprob
from nightschool.records import Finish
from nightschool.tools import CallPiece, join_calls

DONE: Final = b"data: [DONE]\n\n"
_TO_JSON: Final = json.JSONEncoder(separators=(",", ":")).encode
"""One encoder for all chunks: `json.dumps` with separators of one's own makes a new one each time."""
FINISHES: Final[Mapping[Finish, str]] = {Finish.STOP: "stop", Finish.LENGTH: "length", Finish.TOOL_CALLS: "tool_calls"}
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

    def completion(self, answers: Sequence[Sequence[Delta]]) -> dict[str, Any]:
        choices = [_choice(index, answer) for index, answer in enumerate(answers)]
        usage = usage_of([answer[-1] for answer in answers])
        return self._frame("chat.completion") | {"choices": choices, "usage": usage} | self._own

    def role_chunk(self, index: int) -> dict[str, Any]:
        return self._chunk(index, {"role": "assistant", "content": ""})

    def text_chunk(self, index: int, delta: Delta) -> dict[str, Any]:
        said: dict[str, Any] = {"refusal": delta.text} if delta.is_refusal else {"content": delta.text}
        if delta.calls:
            said = ({"content": delta.text} if delta.text else {}) | {"tool_calls": list(map(_piece, delta.calls))}
        return self._chunk(index, said, logprobs=_logprobs(delta.logprobs))

    def finish_chunk(self, index: int, last: Delta, *, is_last: bool) -> dict[str, Any]:
        """`is_last`: of all choices."""
        return self._chunk(index, {}, finish=_finish(last)) | (self._own if is_last else {})

    def usage_chunk(self, lasts: Sequence[Delta]) -> dict[str, Any]:
        return self._frame("chat.completion.chunk") | {"choices": [], "usage": usage_of(lasts)}

    @property
    def _own(self) -> dict[str, Any]:
        return {"nightschool": dict(self.own)} if self.own else {}

    def _chunk(
        self, index: int, delta: Mapping[str, Any], *, finish: str | None = None, logprobs: object = None
    ) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
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


def usage_of(lasts: Sequence[Delta]) -> Usage:
    """Of all choices; their prompt is one."""
    asked, said = lasts[0].prompt_tokens, sum(last.completion_tokens for last in lasts)
    return Usage(prompt_tokens=asked, completion_tokens=said, total_tokens=asked + said)


def _choice(index: int, answer: Sequence[Delta]) -> dict[str, Any]:
    text = "".join(delta.text for delta in answer)
    is_refusal = any(delta.is_refusal for delta in answer)
    calls = join_calls(piece for delta in answer for piece in delta.calls)
    return {
        "index": index,
        "message": {
            "role": "assistant",
            "content": None if is_refusal or (calls and not text) else text,
            "refusal": text if is_refusal else None,
            **({"tool_calls": list(calls)} if calls else {}),
        },
        "logprobs": _logprobs([token for delta in answer for token in delta.logprobs]),
        "finish_reason": _finish(answer[-1]),
    }


def _piece(piece: CallPiece) -> dict[str, Any]:
    function = ({"name": piece.name} if piece.name else {}) | {"arguments": piece.arguments}
    begun = {"id": piece.call_id, "type": "function"} if piece.call_id else {}
    return {"index": piece.place, **begun, "function": function}


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    if not tokens:
        return None
    content = [_token(one.said) | {"top_logprobs": [_token(top) for top in one.likeliest]} for one in tokens]
    return {"content": content, "refusal": None}


def _token(token: LikelyToken) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.logprob, "bytes": token.utf8}
