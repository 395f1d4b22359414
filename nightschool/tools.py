"""Calls of a caller's tools: what a model wants run, as it says so piece by piece, and as the record keeps it.

A caller's program runs them; nothing here does, nor knows which tools there are.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

# Not typing's: pydantic needs this one below Python 3.12.
from typing_extensions import TypedDict

Tool = Mapping[str, Any]
"""OpenAI's object: a function with a name and the JSON Schema of its arguments."""
KEYS: Final = ("tool_calls", "tool_call_id")
"""What of a message is no text."""


class CalledFunction(TypedDict):
    name: str
    arguments: str
    """JSON, as the model wrote it: not always right."""


class ToolCall(TypedDict):
    """OpenAI's object."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class CallPiece(NamedTuple):
    """Pieces of one `place` make a call; the first of them has its id and its name."""

    place: int
    arguments: str = ""
    call_id: str = ""
    name: str = ""


def join_calls(pieces: Iterable[CallPiece]) -> tuple[ToolCall, ...]:
    """The whole calls, in their order."""
    calls: dict[int, ToolCall] = {}
    for piece in pieces:
        new = ToolCall(id="", type="function", function=CalledFunction(name="", arguments=""))
        call = calls.setdefault(piece.place, new)
        call["id"] += piece.call_id
        call["function"]["name"] += piece.name
        call["function"]["arguments"] += piece.arguments
    return tuple(calls[index] for index in sorted(calls))


def note_tools(message: Mapping[str, Any]) -> str:
    """What of a message is no text, for the record; empty where all of it is."""
    kept = {key: message[key] for key in KEYS if message.get(key)}
    return json.dumps(kept, ensure_ascii=False) if kept else ""


def read_tools(tools_json: str) -> dict[str, Any]:
    """What `note_tools` wrote down, to stand beside role and content."""
    found: dict[str, Any] = json.loads(tools_json) if tools_json else {}
    return found


def same_tools(tools_json: str) -> str:
    """By which two notes are the same: a program that sends a call back may write its arguments otherwise."""
    found = read_tools(tools_json)
    calls = [
        [one["id"], one["function"]["name"], _plain(one["function"]["arguments"])] for one in found.get(KEYS[0], ())
    ]
    return json.dumps([calls, found.get(KEYS[1])], sort_keys=True)


def _plain(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
