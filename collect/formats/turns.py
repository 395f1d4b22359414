"""Make turns of what the field calls messages: OpenAI's, ShareGPT's, Gemini's and OpenTelemetry's spellings.

A model that has no tools cannot learn to use one: a call of a tool and its result are left out of what is said, and an
answer that rests on one is context (weight 0). Does not know which format it reads.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from collect.formats.talk import Role, Unfit, said_text

ROLES: Final[Mapping[str, str]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "function_call": "call",
}
CALLS: Final = ("tool_calls", "function_call")


class Turn(NamedTuple):
    role: Role
    content: str
    weight: int = 1


def text_of(content: Any) -> str:
    """What a person would read of it; empty where it is none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(text_of, content))
    if not isinstance(content, dict):
        return ""
    if content.get("type") in {"image", "image_url", "file", "audio"}:
        return f"[{content['type']}]"
    for key in ("text", "content", "value", "parts"):
        if content.get(key):
            return text_of(content[key])
    # A template's arguments (TensorZero): what the person's part of it was.
    given = content if content.keys().isdisjoint({"type", "role"}) else content.get("arguments")
    return "\n".join(f"{k}: {v}" for k, v in given.items() if isinstance(v, str)) if isinstance(given, dict) else ""


def uses_tools(messages: Any) -> bool:
    return isinstance(messages, list) and any(
        isinstance(one, dict) and (any(one.get(key) for key in CALLS) or _role(one) in {"tool", "call"})
        for one in messages
    )


def turns_of(messages: Any, *, what: str = "messages") -> list[Turn]:
    """The turns of a list of messages, those with tools told as text alone. Raises Unfit."""
    if not isinstance(messages, list) or not messages:
        raise Unfit(f"{what} is no list of messages")
    turns: list[Turn] = []
    rests_on_tool = False
    for one in messages:
        if not isinstance(one, dict):
            raise Unfit(f"{what} is no list of messages")
        role, content = _role(one), one.get("content", one.get("value", one.get("parts")))
        if role is None:
            raise Unfit(f"unknown role {str(one.get('role', one.get('from')))[:40]!r}")
        text = said_text(text_of(content), what=f"a {role} message")
        is_call = role in {"tool", "call"} or any(one.get(key) for key in CALLS)
        rests_on_tool = is_call or (rests_on_tool and role == "assistant")
        if role in {"tool", "call"} or (is_call and not text.strip()):
            continue
        weight = 0 if rests_on_tool or one.get("weight", 1) == 0 else 1
        turns.append(Turn(cast(Role, role), text, weight))
    return turns


def told(messages: Any) -> list[Turn]:
    """A conversation with tools as questions and answers in turn: what stands beside each other is joined, and a
    question that got no answer in words is left out."""
    turns: list[Turn] = []
    for turn in turns_of(messages):
        before = turns[-1] if turns else None
        if before is not None and before.role == turn.role:
            turns[-1] = Turn(turn.role, f"{before.content}\n\n{turn.content}", min(before.weight, turn.weight))
        else:
            turns.append(turn)
    while turns and turns[-1].role != "assistant":
        turns.pop()
    return turns


def as_turns(value: Any, role: Role, *, what: str) -> list[Turn]:
    """A text as one turn of this role, or a list of messages. Raises Unfit."""
    if isinstance(value, str):
        return [Turn(role, _filled(value, what))]
    if isinstance(value, dict):
        return turns_of([value], what=what)
    return turns_of(value, what=what)


def unpacked(value: Any) -> Any:
    """JSON that was written into a string, however often; anything else as it is."""
    while isinstance(value, str) and value[:1] in {"{", "[", '"'}:
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def check_turns(turns: Sequence[Turn]) -> None:
    """Raises Unfit where a turn says nothing."""
    for turn in turns:
        if not turn.content.strip():
            raise Unfit(f"a {turn.role} message is empty")


def _filled(text: str, what: str) -> str:
    if not text.strip():
        raise Unfit(f"{what} is empty")
    return said_text(text, what=what)


def _role(message: Mapping[str, Any]) -> str | None:
    role = message.get("role", message.get("from"))
    return ROLES.get(role) if isinstance(role, str) else None
